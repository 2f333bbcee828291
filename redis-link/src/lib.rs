//! Reaches a Redis: addresses as operators write them, TLS, being let in, and pauses between attempts.
//!
//! What is said over the connection, how long an answer may take, and when to try again is the business of those who use it.
#![forbid(unsafe_code)]

mod address;
mod connect;
mod pause;
mod target;
mod tls;

pub use address::{parse, Address, Given, NoAddress};
pub use connect::{connect, ConnectError, Connected, Driver};
pub use pause::{pause, random};
pub use target::{Credentials, SettingNames, Target};
pub use tls::{config as tls_config, TlsError};
