//! Which Redis is talked to, and how patiently.

use crate::address::Address;
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a connection is made from. No `Debug`, as it holds a password; shown without it.
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) credentials: Credentials,
    pub(crate) database: u32,
    /// There for an address with TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// What it may take to connect and to be let in.
    pub(crate) connect_timeout: Duration,
    /// What an answer may take.
    pub(crate) command_timeout: Duration,
    /// What is at most between two attempts to connect.
    pub(crate) longest_pause: Duration,
}

/// As whom one is let in.
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, database {}", self.address, self.database)
    }
}
