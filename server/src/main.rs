//! `dyn-server`: an HTTP server whose handlers are native plugins.

mod flags;
mod handlers;
mod listen;
mod log;
mod router;
mod service;
mod shutdown;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::flags::Flags;

/// Status of a start that could not succeed: wrong flags, no plugin root, no port.
const CANNOT_START: u8 = 2;

fn main() -> ExitCode {
    let flags = Flags::parse();
    log::start(flags.log_level);
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dyn-server: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

fn run(flags: &Flags) -> anyhow::Result<()> {
    let stop = shutdown::listen_for_signals().context("cannot listen for signals")?;
    let router = handlers::load_all(flags)?;
    let listener = listen::bind(flags.address())?;
    listen::serve(listener, service::Service::new(router, flags), flags, stop)
}
