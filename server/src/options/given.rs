//! Options as one source gives them: each may be missing. The comments are the help text.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::Args;
use http_front::ForwardedField;
use http_front::admin::AdminAddress;
use http_front::value::{HeadLimit, Network, Span, Switch, from_text};
use serde::Deserialize;
use tracing::Level;

use super::label::Label;
use super::plugin::{HandlerOptions, MiddlewareOptions};
use crate::plugins::OnChange;

/// One field for each option, by the same name in flags, environment (`SERVER_`, in capitals) and file. Only the file says
/// anything of single plugins.
#[derive(Args, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Given {
    /// Folder with the plugins: handlers lie in its subfolder `handlers`, middlewares in `middlewares`.
    #[arg(long, env = "SERVER_PLUGIN_ROOT", value_name = "DIR")]
    pub(super) plugin_root: Option<PathBuf>,

    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, env = "SERVER_HOST", value_name = "IP")]
    pub(super) host: Option<IpAddr>,

    /// Port to listen on; 0 lets the system choose, and the log says which [default: 8080].
    #[arg(long, env = "SERVER_PORT")]
    pub(super) port: Option<u16>,

    /// Address and port in one, instead of --host and --port.
    #[arg(long, env = "SERVER_ADDR", value_name = "IP:PORT")]
    pub(super) addr: Option<SocketAddr>,

    /// Processes that accept and answer, each a whole server with plugins of its own, and one more that watches over them
    /// [default: one process and no other].
    #[arg(long, env = "SERVER_WORKERS", value_name = "N")]
    pub(super) workers: Option<NonZeroU16>,

    /// Threads of a process that accept and answer [default: one for each core, with --workers one].
    #[arg(long, env = "SERVER_THREADS", value_name = "N")]
    pub(super) threads: Option<NonZeroU16>,

    /// Time for a request's head to arrive, and again for its body, such as 10s or 500ms [default: 10s].
    #[arg(long, env = "SERVER_READ_TIMEOUT", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) read_timeout: Option<Span>,

    /// Time for a client to take some more of an answer, after it took none [default: 30s].
    #[arg(long, env = "SERVER_WRITE_TIMEOUT", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) write_timeout: Option<Span>,

    /// Time that a connection is kept without a next request [default: 60s].
    #[arg(long, env = "SERVER_IDLE_TIMEOUT", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) idle_timeout: Option<Span>,

    /// Time that open requests get to finish after SIGTERM or SIGINT [default: 10s].
    #[arg(long, env = "SERVER_SHUTDOWN_DEADLINE", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) shutdown_deadline: Option<Span>,

    /// Largest request head in bytes; a larger one is answered 431 [default: 16384].
    #[arg(long, env = "SERVER_HEAD_LIMIT", value_name = "BYTES")]
    pub(super) head_limit: Option<HeadLimit>,

    /// Largest request body in bytes; a larger one is answered 413 [default: 1048576].
    #[arg(long, env = "SERVER_BODY_LIMIT", value_name = "BYTES")]
    pub(super) body_limit: Option<usize>,

    /// Connections served at once; further ones wait in the system's queue [default: 10000].
    #[arg(long, env = "SERVER_MAX_CONNECTIONS", value_name = "N")]
    pub(super) max_connections: Option<NonZeroU32>,

    /// Proxy, or network of proxies, whose word is taken for the client's address; repeatable.
    #[arg(
        long = "trusted-proxy",
        env = "SERVER_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "ADDRESS|NETWORK"
    )]
    pub(super) trusted_proxies: Vec<Network>,

    /// Field in which trusted proxies name the client, x-forwarded-for or forwarded [default: x-forwarded-for].
    #[arg(long, env = "SERVER_FORWARDED_HEADER", value_name = "FIELD")]
    #[serde(deserialize_with = "from_text")]
    pub(super) forwarded_header: Option<ForwardedField>,

    /// Whether to log a line for each answer, on or off [default: on].
    #[arg(long, env = "SERVER_ACCESS_LOG", value_name = "on|off")]
    #[serde(deserialize_with = "from_text")]
    pub(super) access_log: Option<Switch>,

    /// File of SHA-256 sums, one a line; plugins that are not in it are refused.
    #[arg(long, env = "SERVER_ALLOW_LIST", value_name = "FILE")]
    pub(super) allow_list: Option<PathBuf>,

    /// Whether plugins are loaded whose panics end this process (built with panic = "abort"), on or off [default: off].
    #[arg(
        long,
        env = "SERVER_ALLOW_ABORT",
        value_name = "on|off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    #[serde(deserialize_with = "from_text")]
    pub(super) allow_abort: Option<Switch>,

    /// Label told to the plugins when they are asked whether they accept this host; repeatable.
    #[arg(long = "label", env = "SERVER_LABELS", value_delimiter = ',', value_name = "KEY=VALUE")]
    pub(super) labels: Vec<Label>,

    /// What to do when plugin files come, change or go: load them and change over at once (swap), finish open requests and exit
    /// with status 75 to be started anew (exit), or nothing (ignore) [default: swap].
    #[arg(long, env = "SERVER_ON_CHANGE", value_name = "WHAT")]
    pub(super) on_change: Option<OnChange>,

    /// Time in which a plugin must be loaded; a process of its own tries it first [default: 5s].
    #[arg(long, env = "SERVER_LOAD_TIMEOUT", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) load_timeout: Option<Span>,

    /// Panics of a plugin's version, within --panic-window, after which the version before takes its place [default: 5].
    #[arg(long, env = "SERVER_PANIC_LIMIT", value_name = "N")]
    pub(super) panic_limit: Option<NonZeroU32>,

    /// Time within which panics are counted [default: 60s].
    #[arg(long, env = "SERVER_PANIC_WINDOW", value_name = "TIME")]
    #[serde(deserialize_with = "from_text")]
    pub(super) panic_window: Option<Span>,

    /// Where operators see and change the plugins: the path of a unix socket, an IP:PORT of the loopback interface, or off
    /// [default: dyn-server-PORT.sock in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR or /run].
    #[arg(long, env = "SERVER_ADMIN", value_name = "ADDRESS")]
    pub(super) admin: Option<AdminAddress>,

    /// How much to log: error, warn, info, debug or trace [default: info].
    #[arg(long, env = "SERVER_LOG_LEVEL", value_name = "LEVEL")]
    #[serde(deserialize_with = "from_text")]
    pub(super) log_level: Option<Level>,

    #[arg(skip)]
    pub(super) middleware_order: Vec<String>,

    #[arg(skip)]
    pub(super) handlers: BTreeMap<String, HandlerOptions>,

    #[arg(skip)]
    pub(super) middlewares: BTreeMap<String, MiddlewareOptions>,
}

impl Given {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// With line and column, and the keys that exist.
    pub(super) fn parse_file(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// What `self`, the command line, gives, and from the file `other` what it does not.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            plugin_root: self.plugin_root.or(other.plugin_root),
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            addr: self.addr.or(other.addr),
            workers: self.workers.or(other.workers),
            threads: self.threads.or(other.threads),
            read_timeout: self.read_timeout.or(other.read_timeout),
            write_timeout: self.write_timeout.or(other.write_timeout),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
            shutdown_deadline: self.shutdown_deadline.or(other.shutdown_deadline),
            head_limit: self.head_limit.or(other.head_limit),
            body_limit: self.body_limit.or(other.body_limit),
            max_connections: self.max_connections.or(other.max_connections),
            trusted_proxies: if self.trusted_proxies.is_empty() {
                other.trusted_proxies
            } else {
                self.trusted_proxies
            },
            forwarded_header: self.forwarded_header.or(other.forwarded_header),
            access_log: self.access_log.or(other.access_log),
            allow_list: self.allow_list.or(other.allow_list),
            allow_abort: self.allow_abort.or(other.allow_abort),
            labels: if self.labels.is_empty() { other.labels } else { self.labels },
            on_change: self.on_change.or(other.on_change),
            load_timeout: self.load_timeout.or(other.load_timeout),
            panic_limit: self.panic_limit.or(other.panic_limit),
            panic_window: self.panic_window.or(other.panic_window),
            admin: self.admin.or(other.admin),
            log_level: self.log_level.or(other.log_level),
            middleware_order: other.middleware_order,
            handlers: other.handlers,
            middlewares: other.middlewares,
        }
    }
}
