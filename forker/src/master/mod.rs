//! The process that starts workers and watches over them.

mod hooks;
mod log;
mod notify;
mod perform;
mod predecessor;
mod process_facts;
mod resources;
mod service;
mod signals;
mod status_socket;
mod successor;
mod team;
mod view;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

pub use hooks::{Hooks, Spawned, Spawning};
pub(crate) use predecessor::Predecessor;
pub(crate) use service::serve;

use crate::socket::{Address, SocketOptions, Strategy};
use crate::supervise::Policy;

/// What a master is to do; see [`run`](crate::run).
#[derive(Debug, Clone)]
pub struct Master {
    pub(crate) name: String,
    pub(crate) addresses: Vec<Address>,
    pub(crate) socket_options: SocketOptions,
    pub(crate) strategy: Strategy,
    pub(crate) workers: usize,
    pub(crate) affinity: bool,
    pub(crate) policy: Policy,
    pub(crate) status: Option<PathBuf>,
}

impl Master {
    /// One worker for each core that this process may use, each with sockets of its own.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            addresses: Vec::new(),
            socket_options: SocketOptions::default(),
            strategy: Strategy::ReusePort,
            workers: available_parallelism().map_or(1, NonZeroUsize::get),
            affinity: false,
            policy: Policy::default(),
            status: None,
        }
    }

    /// One more address to listen on. Workers get their sockets in the order of these calls. Where systemd has opened sockets for
    /// this process (`LISTEN_FDS`), those are used instead, in the order of its unit.
    #[must_use]
    pub fn listen(mut self, address: Address) -> Self {
        self.addresses.push(address);
        self
    }

    /// How sockets are opened.
    #[must_use]
    pub fn socket_options(mut self, options: SocketOptions) -> Self {
        self.socket_options = options;
        self
    }

    /// How connections get to workers.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many workers; at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Whether each worker stays on one core of those that the master may use, one after the other.
    #[must_use]
    pub fn affinity(mut self, affinity: bool) -> Self {
        self.affinity = affinity;
        self
    }

    /// Times and bounds.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// A unix socket that answers with the [`Status`](crate::status::Status), for its owner only (mode 0600). One that a dead master left
    /// behind is replaced; it goes with the master.
    #[must_use]
    pub fn status(mut self, path: impl Into<PathBuf>) -> Self {
        self.status = Some(path.into());
        self
    }
}
