//! Tests of the whole.
mod opening;
