//! `plugin-probe`: loads plugins in the host it runs in, calls each once, and says what happened as
//! JSON. It needs nothing but the C library of that host.

#![allow(unsafe_code, reason = "forks its children, and reads notes in objects that the loader has mapped")]

mod child;
mod exercise;
mod flags;
mod load;
mod loaded_note;
mod observe;
mod observe_all;
mod report;
mod verdict;

use std::process::ExitCode;

use flags::Verb;

/// Status of wrong flags and of what keeps the probe itself from working. What a plugin does is
/// never one: it is an observation, and the status is 0.
const CANNOT_PROBE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match flags::parse(std::env::args_os().skip(1)) {
        Ok(Verb::Help) => {
            print!("{}", flags::HELP);
            Ok(())
        }
        Ok(Verb::Observe(subject)) => verdict::read_host().and_then(|host| {
            report::print(&observe::observe(&verdict::environment(&host), &subject, &mut |_| ()))
        }),
        Ok(Verb::ObserveAll(options)) => observe_all::run(&options),
        Ok(Verb::Load(options)) => load::run(options).and_then(|seen| report::print(&seen)),
        Err(complaint) => Err(format!("{complaint}; see plugin-probe --help")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("plugin-probe: {complaint}");
            ExitCode::from(CANNOT_PROBE)
        }
    }
}
