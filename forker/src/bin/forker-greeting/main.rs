//! The demonstration: answers `greeting!!!` to whatever it is asked, over HTTP/1.1 on TCP and unix sockets, and to datagrams on UDP.

mod connection;
mod fault;
mod flags;
mod worker;

use std::error::Error as _;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let flags = flags::Flags::parse();
    server_log::start(tracing::Level::INFO);
    let fault_file = flags.fault_file.clone();
    match forker::run(flags.master(), (), |worker| worker::serve(worker, fault_file.as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("forker-greeting: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                eprint!(": {inner}");
                source = inner.source();
            }
            eprintln!();
            ExitCode::from(error.exit_code())
        }
    }
}
