//! `plugin-bench WHAT ITERATIONS [PLUGIN [FOLDER]]`: does one thing so often, and prints how long that took, as JSON:
//! `{"seconds": 0.5, "iterations": 1000000}`.
//!
//! A process does one thing only, so that nothing that was done before helps or hinders it; `cargo xtask bench` starts one for each sample.

mod calls;
mod copies;
mod loads;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "plugin-bench WHAT ITERATIONS [PLUGIN [FOLDER]]; WHAT is one of:
  direct boxed dyn linked     a call of a handler that does nothing
  ip-linked                   a call of the handler `ip`
  loaded                      a call of the handler in a PLUGIN's file
  judge dlopen load registry  a PLUGIN's file
  copies                      writes copies of a PLUGIN to FOLDER, each under a name of its own";

/// Status of wrong words, and of a plugin that cannot be loaded.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok((took, iterations)) => {
            println!("{{\"seconds\": {:.9}, \"iterations\": {iterations}}}", took.as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("plugin-bench: {complaint}");
            ExitCode::from(CANNOT)
        }
    }
}

fn run(words: &[String]) -> Result<(Duration, u32), Box<dyn Error>> {
    let [what, iterations, files @ ..] = words else { return Err(USAGE.into()) };
    let files: Vec<&Path> = files.iter().map(Path::new).collect();
    let iterations: u32 = iterations.parse().map_err(|_| format!("{iterations:?} is no number; {USAGE}"))?;
    let took = match (what.as_str(), files.as_slice()) {
        ("direct", []) => calls::direct(iterations),
        ("boxed", []) => calls::boxed(iterations),
        ("dyn", []) => calls::dynamic(iterations),
        ("linked", []) => calls::linked(iterations)?,
        ("ip-linked", []) => calls::ip_linked(iterations)?,
        ("loaded", [plugin]) => calls::loaded(iterations, plugin)?,
        ("judge", [plugin]) => loads::judge(iterations, plugin)?,
        ("dlopen", [plugin]) => loads::dlopen(iterations, plugin)?,
        ("load", [plugin]) => loads::load(iterations, plugin)?,
        ("registry", [plugin]) => loads::registry(iterations, plugin)?,
        ("copies", [plugin, folder]) => copies::write(iterations, plugin, folder)?,
        _ => return Err(USAGE.into()),
    };
    Ok((took, iterations))
}

/// How long so many calls of `what` take.
fn time(iterations: u32, mut what: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..iterations {
        what();
    }
    started.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn everything_that_needs_no_file_is_done_so_often() {
        for what in ["direct", "boxed", "dyn", "linked", "ip-linked"] {
            let (took, iterations) = run(&words(&format!("{what} 1000"))).unwrap();
            assert!(took > Duration::ZERO && iterations == 1000, "{what}");
        }
    }

    #[test]
    fn wrong_words_are_answered_with_the_right_ones() {
        for wrong in [
            "direct",
            "direct many",
            "undirect 1",
            "load 1",
            "dlopen 1",
            "loaded 1",
            "direct 1 /plugin.so",
            "copies 1 /plugin.so",
        ] {
            let error = run(&words(wrong)).unwrap_err().to_string();
            assert!(error.contains("plugin-bench WHAT ITERATIONS"), "{wrong}: {error}");
        }
        for what in ["dlopen", "load"] {
            let error = run(&words(&format!("{what} 1 /nowhere/plugin.so"))).unwrap_err().to_string();
            assert!(error.contains("/nowhere/plugin.so"), "{error}");
        }
    }
}
