//! What the operator asked for: flags win over the environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::Parser;
use http_front::value::{Span, Switch};
use tracing::Level;

use crate::redis;

/// Keeps the map from hosts to upstreams, changes it over an API and publishes it for nginx.
#[derive(Clone, Debug, Parser)]
#[command(name = "backend", version)]
pub(crate) struct Options {
    /// Where the map is kept: a file of this daemon's own; or, for several daemons, a Redis:
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or redis+unix:///PATH[?db=DATABASE].
    #[arg(
        long,
        env = "BACKEND_STORE",
        value_name = "FILE|URL",
        default_value = "/var/lib/backend/map.redb",
        hide_env_values = true
    )]
    pub(crate) store: StorePlace,

    /// What the names of a Redis store's keys begin with, so that several maps can share a Redis.
    #[arg(long, env = "BACKEND_STORE_PREFIX", value_name = "TEXT", default_value = "backend:")]
    pub(crate) store_prefix: String,

    /// File of this daemon's copy of a Redis store.
    #[arg(
        long,
        env = "BACKEND_STORE_COPY",
        value_name = "FILE",
        default_value = "/var/lib/backend/copy.redb"
    )]
    pub(crate) store_copy: PathBuf,

    /// Whether a Redis that has lost the map is given this daemon's copy; on or off.
    #[arg(long, env = "BACKEND_STORE_REFILL", value_name = "on|off", default_value = "off")]
    pub(crate) store_refill: Switch,

    /// File with the password for a Redis store; its first line counts, and wins over the URL.
    #[arg(long, env = "BACKEND_STORE_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) store_password_file: Option<PathBuf>,

    /// The password itself. Everybody on the machine can read flags; better keep it in the environment, or in a file.
    #[arg(
        long,
        env = "BACKEND_STORE_PASSWORD",
        value_name = "TEXT",
        conflicts_with = "store_password_file",
        hide_env_values = true
    )]
    pub(crate) store_password: Option<Secret>,

    /// File with the authorities that are trusted for a store at rediss://, as PEM [default: those of the machine].
    #[arg(long, env = "BACKEND_STORE_CA_FILE", value_name = "FILE")]
    pub(crate) store_ca_file: Option<PathBuf>,

    /// Folder that the table is published to, for the resolver `snapshot`.
    #[arg(long, env = "BACKEND_PUBLISH", value_name = "FOLDER", default_value = "/run/backend/map")]
    pub(crate) publish: PathBuf,

    /// Unix socket of the API; members of --group may connect.
    #[arg(long, env = "BACKEND_SOCKET", value_name = "PATH", default_value = "/run/backend/api.sock")]
    pub(crate) socket: PathBuf,

    /// Unix socket for the resolver `socket`; members of --group may connect [default: none].
    #[arg(long, env = "BACKEND_RESOLVER_SOCKET", value_name = "PATH")]
    pub(crate) resolver_socket: Option<PathBuf>,

    /// Address of this machine's loopback interface at which the API is, too; port 0 lets the system choose, and the log says which; or off.
    #[arg(long, env = "BACKEND_LISTEN", value_name = "IP:PORT|off", default_value = "off")]
    pub(crate) listen: Listen,

    /// File with the token that API requests need; its first line counts.
    #[arg(long, env = "BACKEND_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The token itself. Everybody on the machine can read flags; better keep it in the environment, or in a file.
    #[arg(
        long,
        env = "BACKEND_TOKEN",
        value_name = "TEXT",
        conflicts_with = "token_file",
        hide_env_values = true
    )]
    pub(crate) token: Option<Secret>,

    /// Number of a user whose processes need no token on the unix socket, beside root and the daemon's own; may be repeated. Not nginx's, through
    /// which everybody comes.
    #[arg(long, env = "BACKEND_ALLOW_UID", value_name = "UID", value_delimiter = ',')]
    pub(crate) allow_uid: Vec<u32>,

    /// User to run as, by name or number, when started as root.
    #[arg(long, env = "BACKEND_USER", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Group that may read what is published and connect to the sockets, by name or number: that of nginx's workers.
    #[arg(long, env = "BACKEND_GROUP", value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// Time that open requests get to finish after SIGTERM or SIGINT.
    #[arg(long, env = "BACKEND_SHUTDOWN_DEADLINE", value_name = "TIME", default_value = "10s")]
    pub(crate) shutdown_deadline: Span,

    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, env = "BACKEND_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Level,

    /// Whether to log a line for each answer of the API, on or off.
    #[arg(long, env = "BACKEND_ACCESS_LOG", value_name = "on|off", default_value = "on")]
    pub(crate) access_log: Switch,
}

/// Where the API is reached by TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    At(SocketAddr),
    Off,
}

/// Where the map is kept.
#[derive(Clone, Debug)]
pub(crate) enum StorePlace {
    File(PathBuf),
    /// May hold a password.
    Redis(Secret),
}

/// Text that no log and no error shows.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

/// What the URL of a Redis begins with.
const SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+unix://", "unix://"];
/// Fewer characters can be guessed.
const SHORTEST_TOKEN: usize = 16;

impl Options {
    /// # Errors
    /// If the file cannot be read, or what is there is no token. The token is not shown.
    pub(crate) fn token(&self) -> anyhow::Result<Option<Secret>> {
        let Some(given) = secret(self.token.as_ref(), self.token_file.as_deref(), "token")? else {
            return Ok(None);
        };
        let token = given.0.trim();
        if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the token needs at least {SHORTEST_TOKEN} printable ASCII characters without spaces");
        }
        Ok(Some(Secret(token.to_owned())))
    }

    /// Where the map is, if it is in Redis.
    ///
    /// # Errors
    /// If something of it cannot be read or does not fit. Neither password nor URL is shown.
    pub(crate) fn redis(&self) -> anyhow::Result<Option<redis::Settings>> {
        let StorePlace::Redis(url) = &self.store else { return Ok(None) };
        let password = secret(self.store_password.as_ref(), self.store_password_file.as_deref(), "password")?;
        let password = password.filter(|password| !password.0.is_empty());
        let ca_file = self.store_ca_file.as_deref();
        redis::Settings::read(&url.0, password, &self.store_prefix, ca_file, self.store_refill.0).map(Some)
    }

    /// The file that entries are in, be it the store or a copy.
    pub(crate) fn store_file(&self) -> &Path {
        match &self.store {
            StorePlace::File(file) => file,
            StorePlace::Redis(_) => &self.store_copy,
        }
    }
}

/// The text, or the first line of the file, or neither.
fn secret(text: Option<&Secret>, file: Option<&Path>, what: &str) -> anyhow::Result<Option<Secret>> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the {what} file {}", file.display()))?;
            Ok(Some(Secret(text.lines().next().unwrap_or_default().to_owned())))
        }
        (None, None) => Ok(None),
    }
}

impl From<OsString> for StorePlace {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(url) if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => Self::Redis(url.into()),
            _ => Self::File(text.into()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address: SocketAddr =
            text.parse().map_err(|_| "write an address like 127.0.0.1:8081, or off".to_owned())?;
        if !address.ip().is_loopback() {
            let port = address.port();
            return Err(format!(
                "{address} can be reached from outside; use 127.0.0.1:{port} and let nginx, which encrypts, stand before it"
            ));
        }
        Ok(Self::At(address))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::parse_from(["backend"].iter().chain(arguments))
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn nobody_outside_reaches_the_port() {
        for (text, part) in [
            ("0.0.0.0:80", "can be reached from outside; use 127.0.0.1:80"),
            ("[::]:80", "can be reached from outside"),
            ("192.0.2.1:80", "can be reached from outside"),
            ("localhost:80", "write an address like"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!("127.0.0.1:0".parse(), Ok(Listen::At("127.0.0.1:0".parse().unwrap())));
        assert_eq!("off".parse(), Ok(Listen::Off));
    }

    #[test]
    fn a_store_is_a_file_or_a_redis_whose_password_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "of-the-file\nsecond line\n").unwrap();
        let file = file.to_str().unwrap();
        let password = |arguments: &[&str]| {
            let settings = options(arguments).redis().unwrap().unwrap();
            settings.target.credentials.password
        };
        let url = "redis://:secret@h/1";
        assert_eq!(password(&["--store", url]).as_deref(), Some("secret"));
        assert_eq!(
            password(&["--store", url, "--store-password-file", file]).as_deref(),
            Some("of-the-file")
        );
        assert_eq!(password(&["--store", url, "--store-password", "given"]).as_deref(), Some("given"));
        assert_eq!(password(&["--store", "redis+unix:///run/redis.sock"]), None);
        let shown = format!("{:?}", options(&["--store", url, "--store-password", "secret"]));
        assert!(!shown.contains("secret"), "{shown}");
        let error = options(&["--store", "redis://:secret@h:port"]).redis().err().unwrap();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        for file in ["/var/lib/map.redb", "redis", "./redis:/x"] {
            let options = options(&["--store", file]);
            assert!(options.redis().unwrap().is_none() && options.store_file() == Path::new(file), "{file}");
        }
    }

    #[test]
    fn tokens_are_long_enough_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "of-the-file-0123456789\nsecond line\n").unwrap();
        let from_file = options(&["--token-file", file.to_str().unwrap()]);
        assert_eq!(from_file.token().unwrap().unwrap().0, "of-the-file-0123456789");
        let given = options(&["--token", "sesame-sesame-sesame"]);
        assert!(!format!("{given:?}").contains("sesame"));
        for text in ["short", "sesame sesame sesame", ""] {
            let error = format!("{:#}", options(&["--token", text]).token().unwrap_err());
            assert!(error.contains("at least 16") && !error.contains("sesame"), "{error}");
        }
        assert!(options(&["--token-file", "/nowhere"]).token().is_err());
        assert!(options(&[]).token().unwrap().is_none());
    }
}
