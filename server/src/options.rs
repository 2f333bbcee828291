//! What the operator asked for: flags win over the environment, the environment over the configuration file.

mod given;
mod label;
mod plugin;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use http_front::admin::AdminAddress;
use http_front::value::Span;
use http_front::{ClientGone, Settings, TrustedProxies};
use tracing::Level;

use crate::plugins::OnChange;

use self::given::Given;
pub(crate) use self::plugin::PluginOptions;

/// HTTP server whose handlers and middlewares are native plugins.
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    /// Configuration file, TOML; flags and environment win over it.
    #[arg(long, env = "SERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    given: Given,
}

/// The options of a run, complete.
#[derive(Debug)]
pub(crate) struct Options {
    /// Folder with the plugins; `None` if none was given.
    pub(crate) plugin_root: Option<PathBuf>,
    pub(crate) address: SocketAddr,
    /// How many processes; none, and this one is the server.
    pub(crate) workers: Option<NonZeroU16>,
    /// Of each process, at least 1.
    pub(crate) threads: usize,
    /// What is the front's.
    pub(crate) front: Settings,
    pub(crate) allow_list: Option<PathBuf>,
    /// Whether plugins are loaded whose panics end the process.
    pub(crate) allow_abort: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) on_change: OnChange,
    pub(crate) load_timeout: Duration,
    /// Panics within the window after which a version gives way, at least 1.
    pub(crate) panic_limit: u32,
    pub(crate) panic_window: Duration,
    /// Where the admin side is; `None` if nobody said so.
    pub(crate) admin: Option<AdminAddress>,
    pub(crate) log_level: Level,
    /// The settings of each plugin, from the file alone.
    pub(crate) plugins: PluginOptions,
}

impl Options {
    /// Reads command line, environment and configuration file. Ends the process on `--help` and on wrong flags, as clap does.
    ///
    /// # Errors
    /// If the configuration file cannot be read or says something that no option is.
    pub(crate) fn read(name: &'static str) -> anyhow::Result<Self> {
        use clap::{CommandFactory, FromArgMatches};
        let matches = CommandLine::command().name(name).get_matches();
        let line = CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let file = match &line.config {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
                Given::parse_file(&text)
                    .with_context(|| format!("the configuration file {} is wrong", path.display()))?
            }
            None => Given::default(),
        };
        Ok(Self::complete(line.given.or(file)))
    }

    /// Fills in the defaults.
    fn complete(given: Given) -> Self {
        let host = given.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = given.port.unwrap_or(8080);
        let span = |given: Option<Span>, default| given.map_or(default, |span| span.0);
        let usual = Settings::default();
        let front = Settings {
            read_timeout: span(given.read_timeout, usual.read_timeout),
            write_timeout: span(given.write_timeout, usual.write_timeout),
            idle_timeout: span(given.idle_timeout, usual.idle_timeout),
            shutdown_deadline: span(given.shutdown_deadline, usual.shutdown_deadline),
            head_limit: given.head_limit.map_or(usual.head_limit, |limit| limit.0),
            body_limit: given.body_limit.unwrap_or(usual.body_limit),
            max_connections: given.max_connections.map_or(usual.max_connections, |most| most.get() as usize),
            trusted_proxies: TrustedProxies::new(
                given.trusted_proxies.into_iter().map(|network| network.0).collect(),
                given.forwarded_header.unwrap_or_default(),
            ),
            access_log: given.access_log.map_or(usual.access_log, |switch| switch.0),
            // What a plugin has begun cannot be taken back.
            client_gone: ClientGone::Finish,
            heartbeat: None,
        };
        Self {
            plugin_root: given.plugin_root,
            address: given.addr.unwrap_or(SocketAddr::new(host, port)),
            workers: given.workers,
            threads: match given.threads {
                Some(threads) => usize::from(threads.get()),
                None if given.workers.is_some() => 1,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            front,
            allow_list: given.allow_list,
            allow_abort: given.allow_abort.is_some_and(|switch| switch.0),
            labels: given.labels.into_iter().map(|label| (label.key, label.value)).collect(),
            on_change: given.on_change.unwrap_or(OnChange::Swap),
            load_timeout: span(given.load_timeout, Duration::from_secs(5)),
            panic_limit: given.panic_limit.map_or(5, NonZeroU32::get),
            panic_window: span(given.panic_window, Duration::from_secs(60)),
            admin: given.admin,
            log_level: given.log_level.unwrap_or(Level::INFO),
            plugins: PluginOptions {
                middleware_order: given.middleware_order,
                handlers: given.handlers,
                middlewares: given.middlewares,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        CommandLine::command().debug_assert();
    }

    #[test]
    fn plugins_that_end_the_process_need_a_word() {
        let allows = |flags: &[&str], file: &str| {
            let line = CommandLine::parse_from(["server"].iter().chain(flags));
            Options::complete(line.given.or(Given::parse_file(file).unwrap())).allow_abort
        };
        assert!(!allows(&[], ""));
        assert!(allows(&["--allow-abort"], ""));
        assert!(allows(&["--allow-abort", "--port", "1"], ""));
        assert!(allows(&[], "allow-abort = \"on\""));
        assert!(!allows(&["--allow-abort=off"], "allow-abort = \"on\""));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let line = CommandLine::parse_from(["server", "--port", "1", "--label", "a=1"]);
        let file = "port = 2\nread-timeout = \"3s\"\nlabels = [\"b=2\"]\nlog-level = \"debug\"";
        let options = Options::complete(line.given.or(Given::parse_file(file).unwrap()));
        assert_eq!(options.address, "127.0.0.1:1".parse().unwrap());
        assert_eq!(options.front.read_timeout, Duration::from_secs(3));
        assert_eq!(options.front.shutdown_deadline, Duration::from_secs(10));
        assert_eq!(options.labels, BTreeMap::from([("a".to_owned(), "1".to_owned())]));
        assert_eq!(options.log_level, Level::DEBUG);
    }
}
