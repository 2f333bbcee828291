//! What the operator asked for: flags win over the environment.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::Parser;
use http_front::admin::AdminAddress;
use http_front::value::{Span, Switch};
use http_front::{ClientGone, Settings};
use tracing::Level;

use crate::cache::{CachePlugin, Terms};

/// Fibonacci numbers over HTTP, slow on purpose, with a cache that is a plugin.
///
/// GET /fib/40 answers {"result": 102334155}; any n from 0 to 93 will do.
#[derive(Clone, Debug, Parser)]
#[command(name = "fib-demo", version)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, env = "FIB_HOST", value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,

    /// Port to listen on; 0 lets the system choose, and the log says which.
    #[arg(long, env = "FIB_PORT", default_value_t = 8080)]
    pub(crate) port: u16,

    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, env = "FIB_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Level,

    /// Whether to log a line for each answer, on or off.
    #[arg(long, env = "FIB_ACCESS_LOG", value_name = "on|off", default_value = "on")]
    pub(crate) access_log: Switch,

    /// File of a cache plugin; without one, or with an empty name, nothing is cached.
    #[arg(long, env = "FIB_CACHE_PLUGIN_PATH", value_name = "FILE", default_value = "")]
    pub(crate) cache_plugin_path: String,

    /// Which of the plugin's factories makes the cache; its first one if empty.
    #[arg(long, env = "FIB_CACHE_PLUGIN_FACTORY_NAME", value_name = "NAME", default_value = "")]
    pub(crate) cache_plugin_factory_name: String,

    /// Settings of the plugin, in its own format, mostly JSON. Everybody on the machine can read flags; passwords are better kept in the
    /// environment.
    // Not shown with --help, where clap would show what the environment says.
    #[arg(
        long,
        env = "FIB_CACHE_PLUGIN_SETTINGS",
        value_name = "TEXT",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) cache_plugin_settings: String,

    /// Whether to take also a plugin whose panics end this process (built with panic = "abort"), on or off.
    #[arg(
        long,
        env = "FIB_ALLOW_ABORT",
        value_name = "on|off",
        default_value = "off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    pub(crate) allow_abort: Switch,

    /// How long a number stays in the cache.
    #[arg(long, env = "FIB_CACHE_EXPIRATION", value_name = "TIME", default_value = "15s")]
    pub(crate) cache_expiration: Span,

    /// How long the cache is waited for; then the number is computed.
    #[arg(long, env = "FIB_CACHE_TIMEOUT", value_name = "TIME", default_value = "100ms")]
    pub(crate) cache_timeout: Span,

    /// How long a request waits for its number to be computed, the queue included; then it is answered 503.
    #[arg(long, env = "FIB_COMPUTE_TIMEOUT", value_name = "TIME", default_value = "30s")]
    pub(crate) compute_timeout: Span,

    /// Threads that compute [default: one for each core].
    #[arg(long, env = "FIB_COMPUTE_THREADS", value_name = "N")]
    pub(crate) compute_threads: Option<NonZeroU16>,

    /// Threads that accept and answer [default: one for each core].
    #[arg(long, env = "FIB_THREADS", value_name = "N")]
    pub(crate) threads: Option<NonZeroU16>,

    /// Time in which the plugin must be loaded; a process of its own tries it first.
    #[arg(long, env = "FIB_LOAD_TIMEOUT", value_name = "TIME", default_value = "5s")]
    pub(crate) load_timeout: Span,

    /// Time that open requests get to finish after SIGTERM or SIGINT.
    #[arg(long, env = "FIB_SHUTDOWN_DEADLINE", value_name = "TIME", default_value = "10s")]
    pub(crate) shutdown_deadline: Span,

    /// Where health, status and metrics are: the path of a unix socket, an IP:PORT of the loopback interface, or off
    /// [default: fib-demo-PORT.sock in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR or /run].
    #[arg(long, env = "FIB_ADMIN", value_name = "ADDRESS")]
    pub(crate) admin: Option<AdminAddress>,
}

impl Options {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    pub(crate) fn plugin(&self) -> Option<CachePlugin> {
        (!self.cache_plugin_path.is_empty()).then(|| CachePlugin {
            path: PathBuf::from(&self.cache_plugin_path),
            factory: self.cache_plugin_factory_name.clone(),
            settings: self.cache_plugin_settings.clone(),
            load_timeout: self.load_timeout.0,
            allow_abort: self.allow_abort.0,
        })
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms { expiration: self.cache_expiration.0, timeout: self.cache_timeout.0 }
    }

    pub(crate) fn front(&self) -> Settings {
        Settings {
            shutdown_deadline: self.shutdown_deadline.0,
            // Nothing here is asked with a body.
            body_limit: 8 * 1024,
            access_log: self.access_log.0,
            client_gone: ClientGone::Abandon,
            ..Settings::default()
        }
    }

    /// Writes them to the log, without what may be secret.
    pub(crate) fn log(&self) {
        let Self { host, port, log_level, cache_plugin_path, cache_plugin_factory_name, .. } = self;
        let settings = if self.cache_plugin_settings.is_empty() { "" } else { "(not shown)" };
        tracing::debug!(
            %host, port, %log_level, access_log = self.access_log.0, cache_plugin_path, cache_plugin_factory_name,
            cache_plugin_settings = settings, allow_abort = self.allow_abort.0,
            cache_expiration = ?self.cache_expiration.0, cache_timeout = ?self.cache_timeout.0,
            compute_timeout = ?self.compute_timeout.0, compute_threads = ?self.compute_threads, threads = ?self.threads,
            load_timeout = ?self.load_timeout.0, shutdown_deadline = ?self.shutdown_deadline.0, admin = ?self.admin,
            "configuration"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn an_empty_path_is_no_plugin() {
        let options = |arguments: &[&str]| Options::parse_from(["fib-demo"].iter().chain(arguments));
        assert!(options(&[]).plugin().is_none());
        assert!(options(&["--cache-plugin-path", ""]).plugin().is_none());
        let plugin = options(&["--cache-plugin-path", "a.so", "--cache-plugin-settings", "secret"]).plugin();
        let plugin = plugin.unwrap();
        assert_eq!(plugin.path, PathBuf::from("a.so"));
        assert!(!format!("{plugin:?}").contains("secret"));
        assert!(!plugin.allow_abort);
        assert!(options(&["--cache-plugin-path", "a.so", "--allow-abort"]).plugin().unwrap().allow_abort);
    }
}
