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

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_front::{Reason, ServerStats, log};
pub use plugin_host::StaticPlugin;

use crate::admin::View;
use crate::application::Plugins;
use crate::chain::Chain;
use crate::plugins::Deployment;

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
    match Options::read(name).and_then(|options| serve(&options, source)) {
        Ok(Some(Reason::Program)) => ExitCode::from(START_ANEW),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

fn serve(options: &Options, source: PluginSource) -> anyhow::Result<Option<Reason>> {
    log::start(options.log_level);
    let (stopper, stop) = http_front::listen_for_signals().context("cannot listen for signals")?;
    let plugins = Deployment::start(options, source, stopper)?;
    let stats = Arc::new(ServerStats::new());
    let sockets = http_front::bind(options.address, options.threads)?;
    let port = match sockets.first() {
        Some(socket) => {
            socket.local_addr().context("cannot read the address of the listening socket")?.port()
        }
        None => options.address.port(),
    };
    let view = View::new(plugins.control(), Arc::clone(&stats), stop.clone());
    let admin = http_front::admin::start(options.admin.as_ref(), admin::PROGRAM, port, view)?;
    let application = Plugins::new(Chain::new(plugins.table()));
    http_front::serve(application, sockets, &options.front, stats, stop.clone())?;
    drop(admin);
    plugins.end(PLUGINS_END);
    Ok(stop.reason())
}
