//! `bench-driver`: reads an order on standard input, takes that sample, and prints what was measured; both are JSON.
//!
//! Status 0: it was measured, also if the sample does not count; 2: it was not, and standard error says why.

use std::process::ExitCode;

use bench_driver::{Order, take};

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
    let order: Order = serde_json::from_reader(std::io::stdin())
        .map_err(|error| format!("standard input is no order: {error}"))?;
    let outcome = take(&order).map_err(|error| error.to_string())?;
    serde_json::to_string(&outcome).map_err(|error| format!("cannot print the outcome: {error}"))
}
