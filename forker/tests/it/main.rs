//! Tests of the whole.
mod again;
mod load;
mod sockets;
