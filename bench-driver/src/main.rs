//! `bench-driver`: reads an order on standard input, takes that sample, and prints what was measured; both are JSON.
//!
//! `bench-driver on CORES PROGRAM ARGUMENT…`: becomes that program, kept to cores such as `0,1`.
//!
//! Status 0: it was measured, also if the sample does not count; 2: it was not, and standard error says why.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use bench_driver::{Order, cannot_run, keep_to, take};

const NOT_MEASURED: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("bench-driver: {complaint}");
            ExitCode::from(NOT_MEASURED)
        }
    }
}

fn run() -> Result<String, String> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [] => sample(),
        [on, cores, program, arguments @ ..] if on == "on" => Err(become_program(cores, program, arguments)),
        _ => Err("bench-driver, with an order on standard input; or bench-driver on CORES PROGRAM ARGUMENT…"
            .to_owned()),
    }
}

/// Returns only if it cannot.
fn become_program(cores: &OsStr, program: &OsStr, arguments: &[OsString]) -> String {
    let cores = cores.to_string_lossy();
    let Ok(numbers) = cores.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>() else {
        return format!("{cores:?} are no cores, such as 0,1");
    };
    if let Err(error) = keep_to(&numbers) {
        return error.to_string();
    }
    cannot_run(Path::new(program), &Command::new(program).args(arguments).exec())
}

fn sample() -> Result<String, String> {
    let order: Order = serde_json::from_reader(std::io::stdin())
        .map_err(|error| format!("standard input is no order: {error}"))?;
    let outcome = take(&order).map_err(|error| error.to_string())?;
    serde_json::to_string(&outcome).map_err(|error| format!("cannot print the outcome: {error}"))
}
