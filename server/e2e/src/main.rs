//! `server-e2e`: starts a server with plugins in the host it runs in, drives it over loopback as any client would,
//! stops it, and says what happened as JSON. It needs nothing but the C library of that host.

mod drive;
mod help;

use std::process::ExitCode;

use server_e2e::flags::{self, Verb};

/// Status of wrong flags and of what keeps this program itself from working. What the server does is never one: it
/// is an observation, and the status is 0.
const CANNOT_DRIVE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match flags::parse(std::env::args_os().skip(1)) {
        Ok(Verb::Help) => {
            print!("{}", help::HELP);
            Ok(())
        }
        Ok(Verb::Drive(scenario)) => drive::drive(&scenario).and_then(|seen| seen.print()),
        Err(complaint) => Err(format!("{complaint}; see server-e2e --help")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("server-e2e: {complaint}");
            ExitCode::from(CANNOT_DRIVE)
        }
    }
}
