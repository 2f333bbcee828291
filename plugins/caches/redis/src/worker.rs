//! The thread that talks to Redis, connects, and connects again.

use crate::call::Call;
use crate::gate::Gate;
use crate::serve::{serve, End};
use crate::settings::Patience;
use plugin_sdk::{Error, Level, Logger};
use redis_link::{connect, pause, random, Connected, Target};
use std::future::Future;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedReceiver;

/// How the first attempt to connect went.
pub(crate) type First = Result<(), String>;

/// Starts the thread. It ends when the other end of `calls` is dropped.
///
/// # Errors
/// The system has no thread or no descriptor left.
pub(crate) fn start(
    target: Target,
    patience: Patience,
    log: Logger,
    gate: Arc<Gate>,
    calls: UnboundedReceiver<Call>,
) -> Result<(JoinHandle<()>, Receiver<First>), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (first, told) = sync_channel(1);
    let worker = Worker { target, patience, log, gate, calls };
    let thread = thread::Builder::new()
        .name("redis-cache".to_owned())
        .spawn(move || runtime.block_on(worker.run(first)))?;
    Ok((thread, told))
}

struct Worker {
    target: Target,
    patience: Patience,
    log: Logger,
    gate: Arc<Gate>,
    calls: UnboundedReceiver<Call>,
}

/// Whether the host wants the instance to end.
enum Wanted<T> {
    Still(T),
    NoMore,
}

impl Worker {
    async fn run(mut self, first: SyncSender<First>) {
        let mut first = Some(first);
        let mut away_since: Option<Instant> = None;
        loop {
            let Wanted::Still(connected) = self.reach(&mut first).await else { return };
            match away_since {
                None => self.log.log(Level::Info, format_args!("connected to Redis at {}", self.target)),
                Some(since) => {
                    let seconds = since.elapsed().as_secs_f64();
                    self.log.log(
                        Level::Info,
                        format_args!("connected to Redis at {} again after {seconds:.1} s", self.target),
                    );
                }
            }
            self.gate.open();
            tell(&mut first, Ok(()));
            match serve(connected, &mut self.calls, self.patience.command).await {
                End::Closed => return,
                End::Lost(reason) => {
                    away_since = Some(Instant::now());
                    self.gate.close(&format!("Redis at {} is away: {reason}", self.target.address));
                    self.log.log(
                        Level::Warn,
                        format_args!("lost the connection to Redis at {}: {reason}", self.target),
                    );
                }
            }
        }
    }

    /// Tries until there is a connection. Each reason why there is none is logged once, and calls are refused with it.
    async fn reach(&mut self, first: &mut Option<SyncSender<First>>) -> Wanted<Connected> {
        let mut last_reason = String::new();
        for failed in 1.. {
            let reason = match self.refusing_calls(connect).await {
                Wanted::NoMore => return Wanted::NoMore,
                Wanted::Still(Ok(connected)) => return Wanted::Still(connected),
                Wanted::Still(Err(error)) => error.to_string(),
            };
            self.gate.close(&reason);
            if reason != last_reason {
                self.log.log(Level::Warn, format_args!("{reason}; trying again until it works"));
                last_reason.clone_from(&reason);
            }
            tell(first, Err(reason));
            let wait = pause(failed, self.patience.longest_pause, random());
            if let Wanted::NoMore = self.refusing_calls(|_| tokio::time::sleep(wait)).await {
                return Wanted::NoMore;
            }
        }
        Wanted::NoMore
    }

    /// Does `work` and meanwhile refuses calls that had passed the gate before it was closed.
    async fn refusing_calls<'a, F: Future>(
        &'a mut self,
        work: impl FnOnce(&'a Target) -> F,
    ) -> Wanted<F::Output> {
        let work = work(&self.target);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Wanted::Still(done),
                call = self.calls.recv() => match call {
                    Some(call) => drop(call),
                    None => return Wanted::NoMore,
                },
            }
        }
    }
}

impl Drop for Worker {
    /// However the thread ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.gate.close("the thread that talks to Redis has ended");
    }
}

/// Tells whoever made the instance, once.
fn tell(first: &mut Option<SyncSender<First>>, outcome: First) {
    if let Some(first) = first.take() {
        let _ = first.send(outcome);
    }
}
