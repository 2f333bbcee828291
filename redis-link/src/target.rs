//! Which Redis is talked to, and how patiently.

use crate::address::Address;
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a connection is made from. No `Debug`, as it holds a password; shown without it.
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// As whom one comes.
    pub credentials: Credentials,
    /// Its number.
    pub database: u32,
    /// There for an address with TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// What it may take to connect and to be let in.
    pub connect_timeout: Duration,
    /// For sentences about what is wrong.
    pub names: SettingNames,
}

/// As whom one is let in.
pub struct Credentials {
    /// A user of Redis' access control lists.
    pub username: Option<String>,
    /// To be shown nowhere.
    pub password: Option<String>,
}

/// What the operator calls that what may be wrong.
#[derive(Debug, Clone, Copy)]
pub struct SettingNames {
    /// The password.
    pub password: &'static str,
    /// The user's name.
    pub username: &'static str,
    /// Both together.
    pub login: &'static str,
    /// The database's number.
    pub database: &'static str,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, database {}", self.address, self.database)
    }
}
