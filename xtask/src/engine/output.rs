//! Reading what a program prints, line by line and within bounds.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

/// More output than this is a runaway program, not a report.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// Reads both streams to their ends while `meanwhile` runs. `stop` is called, possibly twice, when a stream exceeds its
/// bound or breaks; it must make the program end.
pub(super) fn collect<T>(
    stdout: Option<impl Read + Send>,
    stderr: Option<impl Read + Send>,
    on_stdout_line: &(dyn Fn(&str) + Sync),
    stop: &(dyn Fn() + Sync),
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<(Result<T>, Vec<u8>, Vec<u8>)> {
    let (stdout, stderr) =
        stdout.zip(stderr).context("a program was started without pipes for its output")?;
    thread::scope(|scope| {
        let stdout = scope.spawn(|| read_lines(stdout, on_stdout_line).inspect_err(|_| stop()));
        let stderr = scope.spawn(|| read_lines(stderr, &|_| {}).inspect_err(|_| stop()));
        let outcome = meanwhile();
        let stdout = stdout.join().map_err(|_| anyhow!("reading stdout panicked"))??;
        let stderr = stderr.join().map_err(|_| anyhow!("reading stderr panicked"))??;
        Ok((outcome, stdout, stderr))
    })
}

/// Reads to the end, handing out each line on the way.
fn read_lines(from: impl Read, on_line: &dyn Fn(&str)) -> Result<Vec<u8>> {
    let mut reader = BufReader::new(from.take(OUTPUT_LIMIT));
    let mut all = Vec::new();
    loop {
        let start = all.len();
        if reader.read_until(b'\n', &mut all)? == 0 {
            break;
        }
        on_line(String::from_utf8_lossy(&all[start..]).trim_end_matches('\n'));
    }
    ensure!((all.len() as u64) < OUTPUT_LIMIT, "the program printed more than {} MiB", OUTPUT_LIMIT >> 20);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn lines_come_one_by_one_and_bytes_stay_as_they_are() {
        let lines = Mutex::new(Vec::new());
        let on_line = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let (outcome, stdout, stderr) =
            collect(Some(&b"a\n\xff\nlast"[..]), Some(&b"e\n"[..]), &on_line, &|| {}, || Ok(7)).unwrap();
        assert_eq!(*lines.lock().unwrap(), ["a", "\u{fffd}", "last"]);
        assert_eq!((outcome.unwrap(), &stdout[..], &stderr[..]), (7, &b"a\n\xff\nlast"[..], &b"e\n"[..]));
    }

    #[test]
    fn a_runaway_program_is_stopped() {
        let stopped = Mutex::new(0);
        let stop = || *stopped.lock().unwrap() += 1;
        let error = collect(
            Some(std::io::repeat(b'a').take(OUTPUT_LIMIT + 1)),
            Some(&b""[..]),
            &|_| {},
            &stop,
            || Ok(()),
        );
        assert!(error.unwrap_err().to_string().contains("more than 64 MiB"));
        assert_eq!(*stopped.lock().unwrap(), 1);
    }
}
