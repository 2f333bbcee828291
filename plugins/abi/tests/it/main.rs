//! The contract as its two sides use it.
#![allow(unsafe_code)] // Reading structures from raw pointers is what is tested here.

mod header;
mod note;
mod sized;
mod spec;
mod view;
