//! `backend-bench WHAT …`: does one thing so often, and prints how long that took, as JSON: `{"seconds": 0.5, "iterations": 1000}`; or how large
//! something is: `{"bytes": 87000000, "iterations": 1000000}`.
//!
//! A process does one thing only, so that nothing that was done before helps or hinders it; `cargo xtask bench` starts one for each sample. But for
//! `writes`: a disk is not the same from second to second, so who is compared shares one process there, by turns.
#![forbid(unsafe_code)]

mod hosts;
mod tables;
mod writes;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "backend-bench WHAT …; WHAT is one of:
  publish HOSTS FOLDER ADDRESS          writes a table in which all hosts lead to ADDRESS
  lookup TIMES HOSTS FOLDER             looks hosts of such a table up, in processor time
  size HOSTS FOLDER                     bytes of such a table
  change TIMES HOSTS FOLDER             writes a table to FOLDER, and publishes one change of it after the other
  writes BLOCKS FOLDER BACKEND          durable changes of a store of redb's own, and by the API of that daemon, by turns";

/// Status of wrong words, and of what cannot be done.
const CANNOT: u8 = 2;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Measured {
    /// How long so many took.
    Time(Duration, u32),
    /// How many bytes there are for so many.
    Bytes(u64, u32),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("backend-bench: {complaint}");
            ExitCode::from(CANNOT)
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measured::Time(took, iterations) => {
                write!(f, "{{\"seconds\": {:.9}, \"iterations\": {iterations}}}", took.as_secs_f64())
            }
            Measured::Bytes(bytes, iterations) => {
                write!(f, "{{\"bytes\": {bytes}, \"iterations\": {iterations}}}")
            }
        }
    }
}

/// What is to be printed.
fn run(words: &[&str]) -> Result<String, Box<dyn Error>> {
    let [what, blocks, folder, backend] = *words else { return Ok(measure(words)?.to_string()) };
    if what != "writes" {
        return Ok(measure(words)?.to_string());
    }
    let parts = writes::by_turns(Path::new(backend), Path::new(folder), number(blocks)?)?;
    let parts: Vec<String> = parts.iter().map(|(name, measured)| format!("\"{name}\": {measured}")).collect();
    Ok(format!("{{{}}}", parts.join(", ")))
}

fn number(word: &str) -> Result<u32, String> {
    word.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{word:?} is no number from 1 on; {USAGE}"))
}

fn measure(words: &[&str]) -> Result<Measured, Box<dyn Error>> {
    match *words {
        ["publish", hosts, folder, address] => {
            tables::publish(Path::new(folder), number(hosts)?, &address.parse()?)
        }
        ["lookup", times, hosts, folder] => {
            tables::look_up(Path::new(folder), number(hosts)?, number(times)?)
        }
        ["size", hosts, folder] => tables::size(Path::new(folder), number(hosts)?),
        ["change", times, hosts, folder] => tables::change(Path::new(folder), number(hosts)?, number(times)?),
        _ => Err(USAGE.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it").display().to_string();
        (folder, path)
    }

    #[test]
    fn hosts_of_a_table_are_found_in_it() {
        let (_kept, path) = folder();
        let published = measure(&["publish", "5000", &path, "127.0.0.1:80"]).unwrap();
        assert!(matches!(published, Measured::Time(took, 5000) if took > Duration::ZERO), "{published:?}");
        let found = measure(&["lookup", "2000", "5000", &path]).unwrap();
        assert!(matches!(found, Measured::Time(took, 2000) if took > Duration::ZERO), "{found:?}");
        let size = measure(&["size", "5000", &path]).unwrap();
        assert!(matches!(size, Measured::Bytes(bytes, 5000) if bytes > 5000 * 30), "{size:?}");
        let error = run(&["lookup", "2000", "6000", &path]).unwrap_err().to_string();
        assert!(error.contains("is not in the table"), "{error}");
    }

    #[test]
    fn changes_are_published() {
        let (_kept, path) = folder();
        assert!(matches!(measure(&["change", "3", "100", &path]), Ok(Measured::Time(_, 3))));
    }

    #[test]
    fn wrong_words_are_answered_with_the_right_ones() {
        for wrong in
            [&["look"][..], &["lookup", "1", "1"], &["lookup", "0", "1", "/"], &["writes", "many", "/", "/"]]
        {
            let error = run(wrong).unwrap_err().to_string();
            assert!(error.contains("backend-bench WHAT"), "{wrong:?}: {error}");
        }
        let (_kept, path) = folder();
        let error = run(&["writes", "1", &path, "/bin/false"]).unwrap_err().to_string();
        assert!(error.contains("/bin/false ended"), "{error}");
    }
}
