//! Several processes behind one address: a master that watches over them, and workers, each of which is a whole server.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use forker::socket::Address;
use forker::{Master, Policy, Pulse, Worker};
use http_front::admin::{Admin, AdminAddress, RuntimeFolders};
use http_front::{Heartbeat, Listeners, ServerStats, log};
use rustix::process::{Signal, getppid, kill_process};

use crate::admin::{PROGRAM, View};
use crate::options::Options;
use crate::plugins::Leave;
use crate::{PLUGINS_END, Place, PluginSource, serve_at};

/// What a worker may need to end beside its deadline and the time of its plugins.
const SPARE: Duration = Duration::from_secs(2);
/// Before a worker asks again for what it has asked its master for: a reload that did not succeed is worth another attempt.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Runs the program `name` with so many workers. Returns when the service has ended; in a worker it does not return.
///
/// # Errors
/// If the master cannot start, or gives up.
pub(crate) fn run(
    name: &'static str,
    options: &Options,
    workers: NonZeroU16,
    source: PluginSource,
) -> anyhow::Result<()> {
    log::start(options.log_level);
    if let Some(AdminAddress::Tcp(address)) = &options.admin {
        bail!(
            "{address} cannot be the admin side of several workers, as each has one of its own; give --admin the path of a unix \
             socket, or off"
        );
    }
    let mut policy = Policy::default();
    policy.graceful_deadline = options.front.shutdown_deadline + PLUGINS_END + SPARE;
    let mut master = Master::new(name)
        .listen(Address::Tcp(options.address))
        .workers(usize::from(workers.get()))
        .policy(policy);
    // With port 0 only the workers know which it is; their sockets can be found, the master's status then has no place.
    if let Some(path) = admin_base(options, options.address.port()) {
        master = master.status(path);
    }
    Ok(forker::run(master, (), |worker| work(worker, options, source))?)
}

/// Where the admin sides are, which have a number each behind it; the master's status is at the path itself.
fn admin_base(options: &Options, port: u16) -> Option<PathBuf> {
    match &options.admin {
        Some(AdminAddress::Unix(path)) => Some(path.clone()),
        Some(AdminAddress::Off | AdminAddress::Tcp(_)) => None,
        None if port == 0 => None,
        None => RuntimeFolders::from_environment().socket(PROGRAM, port),
    }
}

/// Where the worker in this slot has its admin side.
pub(crate) fn admin_path(base: &Path, slot: usize) -> PathBuf {
    let mut path = OsString::from(base);
    path.push(format!(".{slot}"));
    path.into()
}

fn work(mut worker: Worker, options: &Options, source: PluginSource) -> anyhow::Result<()> {
    let socket = worker.take_sockets().into_iter().next().context("the master gave no socket")?;
    let socket = socket.into_tcp_listener()?;
    let (stopper, stop) = http_front::stopper();
    let stopping = worker.stopping();
    thread::Builder::new()
        .name("stopping".to_owned())
        .spawn(move || {
            stopping.wait();
            stopper.stop("the master asks for it");
        })
        .context("cannot start a thread")?;
    let slot = worker.slot();
    let stats = Arc::new(ServerStats::new());
    let mut front = options.front.clone();
    front.heartbeat = Some(heartbeat(worker.pulse(), worker.heartbeat_interval(), Arc::clone(&stats)));
    let place = Place {
        bind: Box::new(move || Ok(Listeners::share(vec![socket], options.threads)?)),
        front: &front,
        stats,
        stop,
        leave: leave(slot),
        start_admin: Box::new(move |port, view| start_admin(options, port, slot, view)),
        ready: Box::new(|| worker.ready()),
    };
    serve_at(place, options, source)
}

/// In place of the worker before, which may still be there. Without a given address it is not worth more than a warning, as in a server
/// of one process.
fn start_admin(options: &Options, port: u16, slot: usize, view: View) -> anyhow::Result<Option<Admin>> {
    let Some(base) = admin_base(options, port) else { return Ok(None) };
    match http_front::admin::take_over(&admin_path(&base, slot), view) {
        Ok(admin) => Ok(Some(admin)),
        Err(error) if options.admin.is_some() => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "there is no admin side");
            Ok(None)
        }
    }
}

/// Tells the master what was accepted since it was told last, and that all threads go round.
fn heartbeat(pulse: Pulse, every: Duration, stats: Arc<ServerStats>) -> Heartbeat {
    let told = AtomicU64::new(0);
    Heartbeat::new(every, move || {
        let accepted = stats.state().connections_accepted;
        pulse.accepted(accepted.saturating_sub(told.swap(accepted, Ordering::Relaxed)));
        pulse.beat();
    })
}

/// What a change of the plugins leads to with `--on-change exit`: the first worker has the master replace all of them, one after the
/// other. The others see the same change.
fn leave(slot: usize) -> Leave {
    let mut asked: Option<Instant> = None;
    Box::new(move || {
        if slot != 0 || asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN) {
            return;
        }
        asked = Some(Instant::now());
        tracing::info!("the plugins changed, the master is asked for new workers");
        if let Some(master) = getppid()
            && let Err(error) = kill_process(master, Signal::HUP)
        {
            tracing::warn!(%error, "the master cannot be asked");
        }
    })
}
