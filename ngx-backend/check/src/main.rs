//! `backend-check`: starts the daemon in the host it runs in, puts entries into it over its API, has resolver plugins look them
//! up as nginx would, starts it anew on what it has kept, and says what happened as JSON. It needs nothing but the C library of
//! that host.
#![forbid(unsafe_code)]

mod api;
mod drive;
mod lookup;

use std::process::ExitCode;

use server_e2e::flags::{self, Scenario, Verb};

const HELP: &str = "\
Starts the backend daemon, puts entries into it, looks them up, stops it, and
says what happened as JSON.

backend-check --server PROGRAM --ask HOST=UPSTREAM...
              --plugin resolvers/NAME=FILE... [OPTION]...
    Start PROGRAM with everything it keeps in a folder that only this user can
    reach, and copy each FILE, a resolver, into that folder. No resolver knows
    any HOST; then each is put into the daemon with its UPSTREAM, over its unix
    socket, and every resolver has to find exactly that. End it with SIGTERM,
    start it again, look all up once more, delete all, and end it.
    One JSON object on one line: outcome (works, refused, declined, failed,
    crashed, hung), stage, code, message, signal, beside.

    --argument TEXT           for PROGRAM, beside those that name files
    --patience-seconds N      how long each step may take; default 20
    --load-timeout-seconds N  without effect: resolvers are loaded here

Status 0 whatever the daemon does; 2 if this program itself cannot work.
";

/// Status of wrong flags and of what keeps this program itself from working.
const CANNOT_CHECK: u8 = 2;

fn main() -> ExitCode {
    let outcome = match flags::parse(std::env::args_os().skip(1)) {
        Ok(Verb::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Verb::Drive(scenario)) => {
            fits(&scenario).and_then(|()| drive::drive(&scenario)).and_then(|seen| seen.print())
        }
        Err(complaint) => Err(format!("{complaint}; see backend-check --help")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("backend-check: {complaint}");
            ExitCode::from(CANNOT_CHECK)
        }
    }
}

/// What servers are given and the daemon is not must not be passed over in silence.
fn fits(scenario: &Scenario) -> Result<(), String> {
    let Scenario { plugins, beside, config, headers, then, answers_everything, .. } = scenario;
    if !beside.is_empty()
        || config.is_some()
        || !headers.is_empty()
        || !then.is_empty()
        || *answers_everything
    {
        return Err(
            "the daemon takes no --beside, --config, --header, --then and --answers-everything".to_owned()
        );
    }
    match plugins.iter().find(|plugin| plugin.folder != flags::RESOLVERS) {
        Some(other) => {
            Err(format!("{} is no resolver; the daemon has no other plugins", other.file.display()))
        }
        None if plugins.is_empty() => Err("--plugin is missing; nobody would look anything up".to_owned()),
        None => Ok(()),
    }
}
