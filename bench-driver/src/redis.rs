//! GETs by `redis-benchmark`: its command line, and what it prints.

use crate::order::{Ask, RedisBenchmark};

/// The command line for so many GETs; `SET` first makes the key that they find.
pub fn command(load: &RedisBenchmark, ask: &Ask, test: &str, requests: u32) -> Vec<String> {
    let words = [
        ("-h", ask.address.ip().to_string()),
        ("-p", ask.address.port().to_string()),
        ("-c", load.connections.to_string()),
        ("-n", requests.to_string()),
        ("-d", load.value_bytes.to_string()),
        ("-t", test.to_owned()),
    ];
    let mut argv = vec![load.program.clone()];
    argv.extend(words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
    argv.push("--csv".to_owned());
    argv
}

/// What it says of one test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Report {
    pub(crate) per_second: f64,
    pub(crate) p50_seconds: f64,
    pub(crate) p99_seconds: f64,
    pub(crate) slowest_seconds: f64,
}

impl Report {
    /// Reads the row of `test` by the names of its columns.
    pub(crate) fn parse(text: &str, test: &str) -> Result<Report, String> {
        let complain = || format!("redis-benchmark's output has no whole row of {test}:\n{text}");
        let cells = |line: &str| -> Vec<String> {
            line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
        };
        let names = text.lines().map(cells).find(|row| row.first().is_some_and(|first| first == "test"));
        let row = text.lines().map(cells).find(|row| row.first().is_some_and(|first| first == test));
        let (names, row) = names.zip(row).ok_or_else(complain)?;
        let number = |name: &str| -> Option<f64> {
            let at = names.iter().position(|found| found == name)?;
            row.get(at)?.parse::<f64>().ok().filter(|number| number.is_finite())
        };
        let milliseconds = |name: &str| number(name).map(|value| value / 1e3);
        let report = || {
            Some(Report {
                per_second: number("rps").filter(|rate| *rate > 0.0)?,
                p50_seconds: milliseconds("p50_latency_ms")?,
                p99_seconds: milliseconds("p99_latency_ms")?,
                slowest_seconds: milliseconds("max_latency_ms")?,
            })
        };
        report().ok_or_else(complain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from redis-benchmark 8.0.2.
    const RECORDED: &str = r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","66666.67","0.432","0.144","0.399","0.655","0.879","2.055"
"#;

    #[test]
    fn recorded_output_is_read() {
        let report = Report::parse(RECORDED, "GET").unwrap();
        assert_eq!((report.per_second, report.slowest_seconds), (66_666.67, 0.002_055));
        assert_eq!((report.p50_seconds, report.p99_seconds), (0.000_399, 0.000_879));
    }

    #[test]
    fn other_output_is_an_error_that_shows_it() {
        for (from, to) in
            [("\"GET\"", "\"SET\""), ("66666.67", "many"), ("p99_latency_ms", "p98"), ("\"2.055\"", "")]
        {
            let wrong = RECORDED.replace(from, to);
            assert_ne!(wrong, RECORDED);
            assert!(Report::parse(&wrong, "GET").unwrap_err().contains("avg_latency_ms"), "{to}");
        }
    }
}
