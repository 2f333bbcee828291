//! Flags.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use forker::socket::{Address, SocketOptions, Strategy};
use forker::{Master, Policy};

/// Answers `greeting!!!` over HTTP/1.1, from one process a core.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Flags {
    /// Where to listen: IP:PORT (IPv6 in brackets), unix:/PATH or udp://IP:PORT; may be given
    /// several times. Sockets that systemd has opened (LISTEN_FDS) are used instead
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<Address>,

    /// Worker processes; default: one for each core that this process may use
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// How connections get to workers
    #[arg(long, value_enum, default_value_t)]
    strategy: StrategyFlag,

    /// Keep each worker on one core
    #[arg(long)]
    affinity: bool,

    /// A unix socket that answers with the status, for `forker status`
    #[arg(long, value_name = "PATH")]
    status: Option<PathBuf>,

    /// Connections that may wait to be accepted, on each socket
    #[arg(long, value_name = "N")]
    backlog: Option<u32>,

    /// An IPv6 address takes no IPv4
    #[arg(long)]
    v6_only: bool,

    /// Hand a connection out when its first bytes are there, or after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    defer_accept: Option<Duration>,

    /// TCP Fast Open: connections that may wait with data in their first packet
    #[arg(long, value_name = "N")]
    fast_open: Option<u32>,

    /// The mode of a unix socket's file, in octal
    #[arg(long, value_name = "MODE", value_parser = octal)]
    unix_mode: Option<u32>,

    /// Seconds until a worker has to be ready
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    ready_timeout: Option<Duration>,

    /// Seconds that a worker may take to finish when it is to stop
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    graceful_deadline: Option<Duration>,

    /// Seconds of silence after which a worker is replaced
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    heartbeat_timeout: Option<Duration>,

    /// Seconds between a worker's heartbeats
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    heartbeat_interval: Option<Duration>,

    /// More deaths of workers within the window end the master; default: 10, or three a worker if that is more
    #[arg(long, value_name = "N")]
    most_deaths: Option<u32>,

    /// Seconds in which deaths are counted
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    death_window: Option<Duration>,

    /// To see what the master does: a worker that finds one of these words in the file has that fault. exit-at-boot, hang-at-boot,
    /// exit-when-ready, stuck-loop, never-finish
    #[arg(long, value_name = "FILE")]
    pub(crate) fault_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum StrategyFlag {
    /// Each worker has a socket of its own, and the kernel spreads connections
    #[default]
    Reuseport,
    /// All workers accept from one socket
    Inherit,
}

impl Flags {
    pub(crate) fn master(&self) -> Master {
        let mut options = SocketOptions::default();
        options.backlog = self.backlog.unwrap_or(options.backlog);
        options.v6_only = self.v6_only;
        options.defer_accept = self.defer_accept;
        options.fast_open = self.fast_open;
        options.unix_mode = self.unix_mode;
        let mut policy = Policy::default();
        policy.ready_timeout = self.ready_timeout.unwrap_or(policy.ready_timeout);
        policy.graceful_deadline = self.graceful_deadline.unwrap_or(policy.graceful_deadline);
        policy.heartbeat_timeout = self.heartbeat_timeout.unwrap_or(policy.heartbeat_timeout);
        policy.heartbeat_interval = self.heartbeat_interval.unwrap_or(policy.heartbeat_interval);
        policy.most_deaths = self.most_deaths.or(policy.most_deaths);
        policy.death_window = self.death_window.unwrap_or(policy.death_window);
        let strategy = match self.strategy {
            StrategyFlag::Reuseport => Strategy::ReusePort,
            StrategyFlag::Inherit => Strategy::Inherit,
        };
        let mut master = Master::new("forker-greeting")
            .socket_options(options)
            .strategy(strategy)
            .affinity(self.affinity)
            .policy(policy);
        for address in &self.listen {
            master = master.listen(address.clone());
        }
        if let Some(workers) = self.workers {
            master = master.workers(workers.get());
        }
        if let Some(path) = &self.status {
            master = master.status(path);
        }
        master
    }
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| "it takes a mode such as 660".to_owned())
}

/// Seconds, with fractions.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "it takes a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
