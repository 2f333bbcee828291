//! Exported plugins, driven through their tables as a host drives them.
#![allow(unsafe_code)] // The host's side of the contract is made of raw pointers.
#![allow(clippy::incompatible_msrv)] // The library is promised to old compilers, its tests are not.

mod host;

mod cache;
mod export;
mod handler;
mod middleware;
mod resolver;
mod showcase;
