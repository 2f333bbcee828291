//! Which Redis, and which keys in it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use redis_link::{Address, Credentials, SettingNames, Target};

use crate::options::Secret;

/// Everything that says where the map is. No `Debug`, as it holds a password.
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) keys: Keys,
    /// Whether an empty Redis is given the copy.
    pub(crate) refill: bool,
}

/// The names of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(super) entries: String,
    pub(super) changes: String,
}

/// To connect, encrypt and log in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const NAMES: SettingNames = SettingNames {
    password: "--store-password-file, or write it in the URL",
    username: "a user in the URL",
    login: "the user in the URL and the password (--store-password-file)",
    database: "the number behind the last `/` of the URL",
};

impl Settings {
    /// Reads a URL and the file of trusted authorities. A password beside the URL wins over the one in it.
    ///
    /// # Errors
    /// What does not fit, without the URL, which may hold a password.
    pub(crate) fn read(
        url: &str,
        password: Option<Secret>,
        prefix: &str,
        ca_file: Option<&Path>,
        refill: bool,
    ) -> anyhow::Result<Self> {
        let given = redis_link::parse(url).context("--store")?;
        let tls = match (&given.address, ca_file) {
            (Address::Tls { .. }, file) => Some(redis_link::tls_config(file).context("--store-ca-file")?),
            (_, None) => None,
            (_, Some(_)) => bail!("--store-ca-file: only a store at rediss:// has a certificate to check"),
        };
        let password = password.map(|secret| secret.0).or(given.password);
        let target = Target {
            address: given.address,
            credentials: Credentials { username: given.username, password },
            database: given.database,
            tls,
            connect_timeout: CONNECT_TIMEOUT,
            names: NAMES,
        };
        Ok(Self { target, keys: Keys::below(prefix), refill })
    }

    /// What a copy is a copy of.
    pub(crate) fn source(&self) -> String {
        format!("{}, {}", self.target, self.keys.entries)
    }
}

impl Keys {
    fn below(prefix: &str) -> Self {
        Self { entries: format!("{prefix}entries"), changes: format!("{prefix}changes") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_beside_the_url_wins_and_none_is_shown() {
        let read = |url: &str, password: Option<&str>, ca_file: Option<&str>| {
            Settings::read(url, password.map(Secret::from), "a:", ca_file.map(Path::new), false)
        };
        let settings = read("redis://al:secret@h:1/3", Some("beside"), None).unwrap();
        assert_eq!(settings.source(), "h:1, database 3, a:entries");
        let Credentials { username, password } = &settings.target.credentials;
        assert_eq!((username.as_deref(), password.as_deref()), (Some("al"), Some("beside")));
        let settings = read("redis+unix:///run/r.sock?db=2&pass=secret", None, None).unwrap();
        assert_eq!(settings.source(), "/run/r.sock, database 2, a:entries");
        assert_eq!(settings.target.credentials.password.as_deref(), Some("secret"));
        for (url, ca_file, part) in [
            ("redis://:secret@h:port", None, "write HOST:PORT, redis://"),
            ("redis://:secret@h", Some("/ca.pem"), "only a store at rediss://"),
            ("rediss://:secret@h", Some("/nowhere/ca.pem"), "/nowhere/ca.pem"),
        ] {
            let error = format!("{:#}", read(url, None, ca_file).err().unwrap());
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
    }
}
