//! An HTTP server whose handlers and middlewares are native plugins: loaded from files (`dyn-server`), or linked into
//! the program (`static-server`, its static twin).
//!
//! Both programs are this library; they differ only in where the plugins come from.

mod admin;
mod application;
mod chain;
mod ctl;
mod options;
mod plugins;
mod response;
mod router;
mod stats;
mod workers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_front::admin::Admin;
use http_front::{Listeners, Reason, ServerStats, Settings, Stop, log};
pub use plugin_host::StaticPlugin;

use crate::admin::View;
use crate::application::Plugins;
use crate::chain::Chain;
use crate::plugins::{Deployment, Leave};

use crate::options::Options;

pub use crate::ctl::run as run_ctl;

/// Where a program's plugins come from.
#[derive(Clone, Copy, Debug)]
pub enum PluginSource {
    /// From files below the plugin root, judged and loaded as they appear.
    Folder,
    /// They are part of the program. Its handlers take part always, its middlewares if the configuration file names them.
    Linked(&'static [&'static StaticPlugin]),
}

/// Status of a start that could not succeed: wrong flags, no plugin root, no port.
const CANNOT_START: u8 = 2;
/// Status of an end because the plugins changed: start me anew. EX_TEMPFAIL of sysexits.h.
const START_ANEW: u8 = 75;
/// How long plugins get to end their instances.
const PLUGINS_END: Duration = Duration::from_secs(1);

/// Runs the server as the program `name` until it is told to stop; gives the program's exit status.
pub fn run(name: &'static str, source: PluginSource) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == plugins::TRIAL) {
        plugin_host::trial::run(arguments);
    }
    let outcome = Options::read(name).and_then(|options| match options.workers {
        None => serve(&options, source),
        Some(workers) => workers::run(name, &options, workers, source).map(|()| None),
    });
    match outcome {
        Ok(Some(Reason::Program)) => ExitCode::from(START_ANEW),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

/// As the only process.
fn serve(options: &Options, source: PluginSource) -> anyhow::Result<Option<Reason>> {
    log::start(options.log_level);
    let (stopper, stop) = http_front::listen_for_signals().context("cannot listen for signals")?;
    let place = Place {
        bind: Box::new(|| Ok(http_front::bind(options.address, options.threads)?.into())),
        front: &options.front,
        stats: Arc::new(ServerStats::new()),
        stop: stop.clone(),
        leave: Box::new(move || stopper.stop("the plugins changed")),
        start_admin: Box::new(|port, view| {
            Ok(http_front::admin::start(options.admin.as_ref(), admin::PROGRAM, port, view)?)
        }),
        ready: Box::new(|| {}),
    };
    serve_at(place, options, source)?;
    Ok(stop.reason())
}

/// What differs between the only process and one of several.
struct Place<'a> {
    /// Gives the sockets. Only called when the plugins are there: before, nobody should wait to be served.
    bind: Box<dyn FnOnce() -> anyhow::Result<Listeners> + 'a>,
    front: &'a Settings,
    stats: Arc<ServerStats>,
    stop: Stop,
    /// What a change of the plugins leads to with `--on-change exit`.
    leave: Leave,
    /// Starts the admin side of a server on this port.
    start_admin: Box<dyn FnOnce(u16, View) -> anyhow::Result<Option<Admin>> + 'a>,
    /// Called when nothing can fail any more but serving itself.
    ready: Box<dyn FnOnce() + 'a>,
}

fn serve_at(place: Place<'_>, options: &Options, source: PluginSource) -> anyhow::Result<()> {
    let Place { bind, front, stats, stop, leave, start_admin, ready } = place;
    let plugins = Deployment::start(options, source, leave)?;
    let listeners = bind()?;
    let port = listeners.addresses()?.first().unwrap_or(&options.address).port();
    let admin = start_admin(port, View::new(plugins.control(), Arc::clone(&stats), stop.clone()))?;
    ready();
    let application = Plugins::new(Chain::new(plugins.table()));
    http_front::serve(application, listeners, front, stats, stop)?;
    drop(admin);
    plugins.end(PLUGINS_END);
    Ok(())
}
