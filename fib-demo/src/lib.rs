//! Fibonacci numbers over HTTP, slow on purpose, and a cache for them that is chosen when the program starts: none, or a
//! plugin.
//!
//! [`Engine`] gives numbers, from the cache or from a computation, and knows nothing of HTTP; [`run`] is the program.

mod admin;
mod application;
mod cache;
mod compute;
mod engine;
mod fibonacci;
mod flight;
mod mailbox;
mod options;
mod stats;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Parser;
use http_front::{ServerStats, log};

pub use cache::{Cache, CacheError, CachePlugin, Loaded, Terms, load};
pub use compute::cores;
pub use engine::{Answer, Engine, Later, Refusal};
pub use fibonacci::{Index, NotAnIndex};
pub use stats::{CacheState, ComputeState};

use crate::admin::View;
use crate::application::Fib;
use crate::options::Options;
use crate::stats::Open;

/// Status of a start that could not succeed: wrong flags, no such plugin, no port.
const CANNOT_START: u8 = 2;
/// How long the cache plugin gets to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The name of the program, and so of its admin socket.
const NAME: &str = "fib-demo";

/// Runs the program until it is told to stop; gives its exit status.
pub fn run() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == cache::TRIAL) {
        plugin_host::trial::run(arguments);
    }
    match serve(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

fn serve(options: &Options) -> anyhow::Result<()> {
    log::start(options.log_level);
    let started = SystemTime::now();
    options.log();
    let (_stopper, stop) = http_front::listen_for_signals().context("cannot listen for signals")?;
    let cache = match options.plugin() {
        Some(plugin) => Cache::new(load(&plugin)?, options.terms()).context("cannot start a thread")?,
        None => {
            tracing::info!("no cache plugin: everything is computed");
            Cache::none()
        }
    };
    let compute_threads = options.compute_threads.map_or_else(cores, Into::into);
    let engine = Engine::start(cache, compute_threads, options.compute_timeout.0)
        .context("cannot start the threads that compute")?;
    tracing::debug!(threads = engine.threads(), "ready to compute");

    let threads = options.threads.map_or_else(cores, Into::into).get();
    let sockets = http_front::bind(options.address(), threads)?;
    let first = sockets.first().context("there is no socket to listen on")?;
    let port = first.local_addr().context("cannot read the address of the listening socket")?.port();
    let (engine, server, waiting) = (Arc::new(engine), Arc::new(ServerStats::new()), Arc::new(Open::new()));
    let view = View {
        engine: Arc::clone(&engine),
        server: Arc::clone(&server),
        waiting: Arc::clone(&waiting),
        stop: stop.clone(),
        started,
    };
    let admin = http_front::admin::start(options.admin.as_ref(), NAME, port, view)?;
    let application = Fib::new(Arc::clone(&engine), waiting);
    http_front::serve(application, sockets, &options.front(), server, stop)?;
    drop(admin);
    end(engine);
    Ok(())
}

/// Ends what computes and the cache, and does without if the plugin does not let go.
fn end(engine: Arc<Engine>) {
    let (told, ended) = channel();
    thread::spawn(move || {
        drop(engine);
        let _ = told.send(());
    });
    if ended.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!("the cache plugin did not end within {LAST_WORDS:?}, and is left behind");
    }
}
