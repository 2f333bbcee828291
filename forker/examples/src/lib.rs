//! What the examples share: their flags and log, the heartbeat of a runtime, and an end of HTTP connections that loses no request.
//!
//! The examples, each in `src/bin`: `std_net` (threads, no runtime), `hyper_http`, `hyper_tls` (rustls), `axum_http`, `tonic_grpc` (no
//! generated code, so no `protoc`), `udp_echo`.

mod http;
mod pb;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use forker::socket::Address;
use forker::{Master, Pulse, Worker};

pub use http::serve_http;
pub use pb::{GREET, Greeting, Who};

/// What a worker's `serve` returns.
pub type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The flags of every example.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Flags {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Address,
    /// Worker processes; default: one for each core
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// A unix socket for `forker status`
    #[arg(long, value_name = "PATH")]
    status: Option<PathBuf>,
}

impl Flags {
    /// The master that they describe; its log goes to standard error.
    #[must_use]
    pub fn master(&self, name: &str) -> Master {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        let mut master = Master::new(name).listen(self.listen.clone());
        if let Some(workers) = self.workers {
            master = master.workers(workers);
        }
        if let Some(path) = &self.status {
            master = master.status(path);
        }
        master
    }
}

/// Beats as long as the runtime goes round, in which the connections are served, too.
pub fn beat(worker: &Worker) {
    let interval = worker.heartbeat_interval();
    tokio::spawn(beat_every(worker.pulse(), interval));
}

async fn beat_every(pulse: Pulse, interval: Duration) {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        pulse.beat();
    }
}
