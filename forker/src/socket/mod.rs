//! What a service listens at: addresses, options, and the sockets that the master keeps for its workers.

mod address;
mod error;
mod group;
mod half_open;
mod keep;
mod open;
mod options;
mod owned;
mod settling;
mod sockopt;
mod steering;
pub mod systemd;
mod unix_file;

pub use address::{Address, AddressError};
pub use error::SocketError;
pub use keep::{Sockets, Strategy};
pub use options::SocketOptions;
pub use owned::{Kind, Socket};
