//! What a service listens on: addresses, options, and the sockets that the master keeps for its workers.

mod address;
mod keep;
mod open;

pub use address::{Address, AddressError};
pub use keep::{Sockets, Strategy};
pub use open::{Socket, SocketError, SocketOptions};
