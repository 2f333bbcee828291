//! What the operator can set, in the settings or, where these are silent, in the environment.

use plugin_sdk::Error;
use redis_link::{Address, Credentials, SettingNames, Target, TlsError};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The settings as they are written. No `Debug`, as they hold a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    address: Option<String>,
    username: Option<String>,
    password: Option<String>,
    database: Option<u32>,
    ca_file: Option<PathBuf>,
    pub(crate) prefix: String,
    pub(crate) required: bool,
    connect_timeout_ms: u64,
    command_timeout_ms: u64,
    longest_pause_ms: u64,
    most_calls: usize,
}

/// How patiently Redis is talked to, once it is reached.
pub(crate) struct Patience {
    /// What an answer may take.
    pub(crate) command: Duration,
    /// What is at most between two attempts to connect.
    pub(crate) longest_pause: Duration,
}

/// What sentences about a connection call the settings.
const NAMES: SettingNames = SettingNames {
    password: "password or REDIS_PASSWORD",
    username: "username",
    login: "username and password (REDIS_USERNAME, REDIS_PASSWORD)",
    database: "database or REDIS_DB",
};
const DEFAULT_ADDRESS: &str = "127.0.0.1:6379";
/// An hour, in milliseconds: nobody waits longer.
const LONGEST: u64 = 3_600_000;
const MOST_CALLS: usize = 1 << 20;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: None,
            username: None,
            password: None,
            database: None,
            ca_file: None,
            prefix: String::new(),
            required: false,
            connect_timeout_ms: 1_000,
            command_timeout_ms: 500,
            longest_pause_ms: 5_000,
            most_calls: 4_096,
        }
    }
}

impl Settings {
    /// Where Redis is and how it is talked to. `variable` looks into the environment.
    ///
    /// # Errors
    /// [`Error::invalid`] naming the setting and what is accepted, never the password; so for all of these.
    pub(crate) fn target(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Target, Error> {
        // An empty variable is one that is not set.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (name, text) = match (&self.address, variable("REDIS_ADDR")) {
            (Some(text), _) => ("address", text.clone()),
            (None, Some(text)) => ("REDIS_ADDR", text),
            (None, None) => ("address", DEFAULT_ADDRESS.to_owned()),
        };
        let given = redis_link::parse(&text).map_err(|reason| Error::invalid(format!("{name}: {reason}")))?;
        let database = match (self.database, variable("REDIS_DB")) {
            (Some(database), _) => database,
            (None, Some(text)) => text.parse().map_err(|_| {
                Error::invalid(format!("REDIS_DB: `{text}`; write the number of a database, such as 0"))
            })?,
            (None, None) => given.database,
        };
        let tls = match (&given.address, &self.ca_file) {
            (Address::Tls { .. }, ca_file) => {
                Some(redis_link::tls_config(ca_file.as_deref()).map_err(no_tls)?)
            }
            (_, None) => None,
            (_, Some(_)) => {
                return Err(Error::invalid(
                    "ca-file: only an address of rediss:// has a certificate to check",
                ))
            }
        };
        Ok(Target {
            address: given.address,
            credentials: Credentials {
                username: self.username.clone().or_else(|| variable("REDIS_USERNAME")).or(given.username),
                password: self.password.clone().or_else(|| variable("REDIS_PASSWORD")).or(given.password),
            },
            database,
            tls,
            connect_timeout: milliseconds("connect-timeout-ms", self.connect_timeout_ms)?,
            names: NAMES,
        })
    }

    /// How patiently Redis is talked to.
    pub(crate) fn patience(&self) -> Result<Patience, Error> {
        Ok(Patience {
            command: milliseconds("command-timeout-ms", self.command_timeout_ms)?,
            longest_pause: milliseconds("longest-pause-ms", self.longest_pause_ms)?,
        })
    }

    /// How many calls may be open at once.
    pub(crate) fn most_calls(&self) -> Result<usize, Error> {
        if !(1..=MOST_CALLS).contains(&self.most_calls) {
            return Err(Error::invalid(format!("most-calls: {}; write 1 to {MOST_CALLS}", self.most_calls)));
        }
        Ok(self.most_calls)
    }
}

fn no_tls(error: TlsError) -> Error {
    let setting = if matches!(error, TlsError::File { .. }) { "ca-file" } else { "address" };
    Error::invalid(format!("{setting}: {error}"))
}

fn milliseconds(name: &str, given: u64) -> Result<Duration, Error> {
    if !(1..=LONGEST).contains(&given) {
        return Err(Error::invalid(format!("{name}: {given}; write 1 to {LONGEST}")));
    }
    Ok(Duration::from_millis(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(settings: Settings, variables: &[(&str, &str)]) -> Result<Target, Error> {
        settings.target(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn settings_come_before_the_environment_and_that_before_the_address() {
        let variables = [
            ("REDIS_ADDR", "redis://u:p@one:1/1"),
            ("REDIS_USERNAME", "alice"),
            ("REDIS_PASSWORD", "of the environment"),
            ("REDIS_DB", "2"),
        ];
        let found = target(Settings::default(), &variables).unwrap();
        assert_eq!(found.to_string(), "one:1, database 2");
        assert_eq!(found.credentials.username.as_deref(), Some("alice"));
        assert_eq!(found.credentials.password.as_deref(), Some("of the environment"));

        let settings = Settings {
            address: Some("redis://u:p@two:2/3".to_owned()),
            username: Some("bob".to_owned()),
            password: Some("of the settings".to_owned()),
            database: Some(4),
            ..Settings::default()
        };
        let found = target(settings, &variables).unwrap();
        assert_eq!(found.to_string(), "two:2, database 4");
        assert_eq!(found.credentials.username.as_deref(), Some("bob"));
        assert_eq!(found.credentials.password.as_deref(), Some("of the settings"));

        let found = target(Settings::default(), &variables[..1]).unwrap();
        assert_eq!(found.to_string(), "one:1, database 1");
        assert_eq!(found.credentials.username.as_deref(), Some("u"));
        assert_eq!(found.credentials.password.as_deref(), Some("p"));

        let found = target(Settings::default(), &[("REDIS_ADDR", ""), ("REDIS_PASSWORD", "")]).unwrap();
        assert_eq!(found.to_string(), "127.0.0.1:6379, database 0");
        assert_eq!(found.credentials.password, None);
    }

    #[test]
    fn what_does_not_fit_is_named_without_the_password() {
        let cases = [
            (Settings { address: Some("redis://:secret@".to_owned()), ..Settings::default() }, "address: "),
            (Settings { connect_timeout_ms: 0, ..Settings::default() }, "connect-timeout-ms: 0; write 1 to"),
            (Settings { command_timeout_ms: 0, ..Settings::default() }, "command-timeout-ms: 0"),
            (Settings { longest_pause_ms: u64::MAX, ..Settings::default() }, "longest-pause-ms: 1844"),
            (Settings { ca_file: Some("/ca.pem".into()), ..Settings::default() }, "ca-file: only an address"),
        ];
        for (settings, part) in cases {
            let patience = settings.patience();
            let error = patience.err().or(target(settings, &[]).err()).expect(part);
            assert!(error.message().contains(part), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
        let error = target(Settings::default(), &[("REDIS_DB", "one")]).err().unwrap();
        assert!(error.message().contains("REDIS_DB: `one`"), "{error}");
        let error = target(Settings::default(), &[("REDIS_ADDR", "http://x")]).err().unwrap();
        assert!(error.message().starts_with("REDIS_ADDR: "), "{error}");
        assert!(Settings { most_calls: 0, ..Settings::default() }.most_calls().is_err());
    }
}
