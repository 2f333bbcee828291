//! Tests of the whole.
mod again;
mod sockets;
