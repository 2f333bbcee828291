//! An HTTP server whose handlers and middlewares are native plugins: loaded from files (`dyn-server`), or linked into
//! the program (`static-server`, its static twin).
//!
//! Both programs are this library; they differ only in where the plugins come from.

mod chain;
mod http;
mod log;
mod options;
mod plugins;
mod router;
mod shutdown;
#[allow(dead_code, unused_imports, reason = "not yet called by the plugins and the listeners")]
mod stats;

use std::process::ExitCode;

use anyhow::Context;
use plugin_host::StaticPlugin;

use crate::options::Options;

/// Where a program's plugins come from.
#[derive(Clone, Copy, Debug)]
pub enum PluginSource {
    /// From files below the plugin root, judged and loaded as they appear.
    Folder,
    /// They are part of the program.
    Linked(&'static [&'static StaticPlugin]),
}

/// Status of a start that could not succeed: wrong options, no plugin root, no port.
const CANNOT_START: u8 = 2;

/// Runs the server as the program `name` until it is told to stop; gives the program's exit status.
pub fn run(name: &'static str, source: PluginSource) -> ExitCode {
    match Options::read(name).and_then(|options| serve(&options, source)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

fn serve(options: &Options, _source: PluginSource) -> anyhow::Result<()> {
    log::start(options.log_level);
    let stop = shutdown::listen_for_signals().context("cannot listen for signals")?;
    let chain = chain::Chain::new(plugins::load_all(options)?);
    let listener = http::bind(options.address)?;
    http::serve(listener, http::Service::new(chain, options), options, stop)
}
