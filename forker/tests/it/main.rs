//! Tests of the whole.
mod again;
mod life;
mod load;
mod service;
mod sockets;
