//! Tests of the whole.
mod again;
mod life;
mod load;
mod service;
mod sockets;

/// What a service is where nothing else is said.
const PROGRAM: &str = env!("CARGO_BIN_EXE_forker-greeting");
