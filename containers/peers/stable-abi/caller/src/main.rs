//! `stable-abi-bench WHAT ITERATIONS LIBRARY`: loads a library as `stabby` or `abi_stable` does, calls its handler so often, and prints how long
//! that took, as `plugin-bench` does: `{"seconds": 0.5, "iterations": 1000000}`.

mod abi_stable;
mod stabby;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "stable-abi-bench WHAT ITERATIONS LIBRARY; WHAT is one of stabby, abi_stable; LIBRARY has a handler of that kind";

/// Status of wrong words, and of a library that cannot be loaded.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok((took, iterations)) => {
            println!("{{\"seconds\": {:.9}, \"iterations\": {iterations}}}", took.as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("stable-abi-bench: {complaint}");
            ExitCode::from(CANNOT)
        }
    }
}

fn run(words: &[String]) -> Result<(Duration, u32), Box<dyn Error>> {
    let [what, iterations, library] = words else { return Err(USAGE.into()) };
    let iterations: u32 = iterations.parse().map_err(|_| format!("{iterations:?} is no number; {USAGE}"))?;
    let took = match what.as_str() {
        "stabby" => stabby::loaded(iterations, Path::new(library)),
        "abi_stable" => abi_stable::loaded(iterations, Path::new(library)),
        _ => return Err(USAGE.into()),
    };
    Ok((took.map_err(|error| complaint(library, error.as_ref()))?, iterations))
}

/// An error with the library that it is about and with what caused it, since one of the two ways to load tells neither by itself.
fn complaint(library: &str, error: &dyn Error) -> String {
    let mut text = format!("{library}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// How long so many calls of `what` take.
fn time(iterations: u32, mut what: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..iterations {
        what();
    }
    started.elapsed()
}

/// `127.0.0.1`, mapped.
const PEER: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
const PEER_PORT: u16 = 4711;
/// Of HTTP/1.1.
const VERSION: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_words_are_answered_with_the_right_ones() {
        for wrong in ["stabby", "stabby many a.so", "stubby 1 a.so"] {
            let words: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
            let error = run(&words).unwrap_err().to_string();
            assert!(error.contains("stable-abi-bench WHAT ITERATIONS"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        for what in ["stabby", "abi_stable"] {
            let words = [what, "1", "/nowhere/noop.so"].map(str::to_owned);
            let error = run(&words).unwrap_err().to_string();
            assert!(error.contains("/nowhere/noop.so"), "{error}");
        }
    }

    /// libc is loaded already, and has a handler of nobody.
    #[test]
    fn a_library_without_a_handler_is_refused() {
        for what in ["stabby", "abi_stable"] {
            run(&[what, "1", "libc.so.6"].map(str::to_owned)).unwrap_err();
        }
    }

    #[test]
    fn what_is_timed_is_done_so_often() {
        let mut calls = 0;
        time(7, || calls += 1);
        assert_eq!(calls, 7);
    }
}
