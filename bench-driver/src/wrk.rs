//! Saturation by wrk: its command line, and what it prints.

use serde::Deserialize;

use crate::order::{Ask, Saturate};

/// The columns of wrk's own table: latency of requests, and requests a second of each thread. Times in seconds, ± in percent.
pub const COLUMNS: [&str; 8] = [
    "latency avg",
    "latency stdev",
    "latency max",
    "latency ± stdev",
    "requests avg",
    "requests stdev",
    "requests max",
    "requests ± stdev",
];

/// wrk's command line for so many seconds. What follows the address is for the script.
pub fn command(load: &Saturate, ask: &Ask, seconds: u32) -> Vec<String> {
    let mut argv = vec![
        load.wrk.clone(),
        format!("-t{}", load.threads),
        format!("-c{}", load.connections),
        format!("-d{seconds}s"),
        "--latency".to_owned(),
        "-s".to_owned(),
        load.script.clone(),
    ];
    if load.new_connections {
        // A server that knows HTTP closes then, and wrk connects anew.
        argv.extend(["-H".to_owned(), "Connection: close".to_owned()]);
    }
    argv.push(format!("http://{}{}", ask.address, ask.path));
    if let Some(hosts) = &ask.hosts {
        argv.extend([hosts.before.clone(), hosts.after.clone(), hosts.count.to_string()]);
    }
    argv
}

/// What wrk says when it is done.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    /// Those of its table; none where no request was answered.
    pub(crate) columns: Vec<f64>,
    pub(crate) line: Line,
}

/// The line of JSON that the script adds; times in microseconds.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) duration_us: u64,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) percentiles_us: Vec<(f64, u64)>,
    pub(crate) max_us: u64,
    pub(crate) errors: Errors,
}

/// What went wrong, counted.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errors {
    connect: u64,
    read: u64,
    write: u64,
    status: u64,
    timeout: u64,
}

impl Line {
    /// Why the sample does not count, where the right answer has so many bytes; wrk itself looks only for answers of 400 and above.
    pub(crate) fn failed(&self, right: usize, connections: usize) -> Option<String> {
        self.errors.words().or_else(|| self.other_answers(right as u64, connections as u64))
    }

    /// Answers that are much longer or shorter than the right one: another `connection` and `date` make less of a difference, a redirection more.
    fn other_answers(&self, right: u64, connections: u64) -> Option<String> {
        let some = 64 + right / 20;
        // What was read of the last answers is counted, and they are not.
        let least = self.requests * right.saturating_sub(some);
        let most = (self.requests + connections) * (right + some);
        (self.requests > 0 && !(least..=most).contains(&self.bytes)).then(|| {
            format!(
                "answers of {} bytes on average, and the right one has {right}",
                self.bytes / self.requests
            )
        })
    }
}

impl Errors {
    /// In words; `None` if nothing went wrong.
    pub(crate) fn words(&self) -> Option<String> {
        let counts = [
            (self.status, "answers that are not 2xx or 3xx"),
            (self.connect, "connections that failed"),
            (self.read, "reads that failed"),
            (self.write, "writes that failed"),
            (self.timeout, "requests that took more than 2 s"),
        ];
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Report {
    /// Reads wrk's output.
    ///
    /// # Errors
    /// In words, with the output.
    pub(crate) fn parse(text: &str) -> Result<Report, String> {
        let complain = |what: &str| format!("wrk's output {what}:\n{text}");
        let row = |name: &str| -> Option<Vec<f64>> {
            let line = text.lines().map(str::trim_start).find(|line| line.starts_with(name))?;
            let values: Option<Vec<f64>> = line.split_whitespace().skip(1).map(value).collect();
            values.filter(|values| values.len() == COLUMNS.len() / 2)
        };
        let json = text.lines().rev().find(|line| line.starts_with('{'));
        let json = json.ok_or_else(|| complain("has no line of JSON"))?;
        let line: Line =
            serde_json::from_str(json).map_err(|error| complain(&format!("is not known ({error})")))?;
        if line.requests == 0 {
            // Its table is of numbers that are none.
            return Ok(Report { columns: Vec::new(), line });
        }
        let latency = row("Latency ").ok_or_else(|| complain("has no row `Latency`"))?;
        let requests = row("Req/Sec ").ok_or_else(|| complain("has no row `Req/Sec`"))?;
        Ok(Report { columns: [latency, requests].concat(), line })
    }

    /// Latencies in seconds by percentile.
    pub(crate) fn percentiles(&self) -> Vec<(f64, f64)> {
        let seconds = |microseconds: u64| microseconds as f64 / 1e6;
        let all = self.line.percentiles_us.iter().map(|&(percent, value)| (percent, seconds(value)));
        all.chain([(100.0, seconds(self.line.max_us))]).collect()
    }
}

/// A number as wrk prints it for people, in base units: `1.23ms`, `35.90k`, `84.85%`. Thousands are 1000 here, as in wrk's `format_metric`.
fn value(text: &str) -> Option<f64> {
    let units = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("%", 1.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
    ];
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1.0));
    digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Hosts, Protocol};

    /// Recorded from wrk 4.1.0 with `containers/bench-tools/report.lua`, against a server that has nothing.
    const RECORDED: &str = r#"Running 1s test @ http://127.0.0.1:18999/nothing
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.17ms    1.39ms  10.49ms   84.85%
    Req/Sec     2.52k     1.16k    4.91k    72.73%
  Latency Distribution
     50%  486.00us
     75%    1.67ms
     90%    3.21ms
     99%    6.35ms
  2764 requests in 1.10s, 1.37MB read
  Non-2xx or 3xx responses: 2764
Requests/sec:   2513.76
Transfer/sec:      1.25MB
{"duration_us":1099550,"requests":2764,"bytes":1437280,"percentiles_us":[[50,486],[75,1669],[90,3208],[99,6349],[99.9,8546],[99.99,10487]],"max_us":10487,"errors":{"connect":0,"read":0,"write":0,"status":2764,"timeout":0}}
"#;

    #[test]
    fn wrk_is_told_about_connections_and_hosts() {
        let hosts = Hosts { before: "a-".into(), after: ".test".into(), count: 1000 };
        let text = |text: &str| text.to_owned();
        let ask = Ask {
            address: ([127, 0, 0, 1], 80).into(),
            path: text("/ip"),
            content_type: String::new(),
            body: String::new(),
            protocol: Protocol::Http,
            hosts: Some(hosts),
        };
        let load = Saturate {
            wrk: text("wrk"),
            script: text("report.lua"),
            threads: 1,
            connections: 500,
            seconds: 3,
            warm_up_seconds: 0,
            new_connections: true,
            cores: Vec::new(),
        };
        assert_eq!(
            command(&load, &ask, 3).join(" "),
            "wrk -t1 -c500 -d3s --latency -s report.lua -H Connection: close http://127.0.0.1:80/ip a- .test 1000"
        );
    }

    #[test]
    fn recorded_output_is_read() {
        let report = Report::parse(RECORDED).unwrap();
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9 * other.abs().max(1.0);
        let columns = [0.001_17, 0.001_39, 0.010_49, 84.85, 2520.0, 1160.0, 4910.0, 72.73];
        assert!(
            report.columns.iter().zip(columns).all(|(&one, other)| near(one, other)),
            "{:?}",
            report.columns
        );
        assert_eq!((report.line.requests, report.line.duration_us), (2764, 1_099_550));
        assert_eq!(report.percentiles().first(), Some(&(50.0, 0.000_486)));
        assert_eq!(report.percentiles().last(), Some(&(100.0, 0.010_487)));
        assert_eq!(report.line.errors.words().unwrap(), "2764 answers that are not 2xx or 3xx");
        assert_eq!(Errors::default().words(), None);
    }

    /// As `print_stats` in wrk's sources writes the mean and the deviation of nothing.
    #[test]
    fn nothing_that_was_answered_is_a_report() {
        let nothing = RECORDED
            .replace("1.17ms    1.39ms  10.49ms   84.85%", "0.00us    0.00us   0.00us    -nan%")
            .replace("2.52k     1.16k    4.91k    72.73%", "0.00      0.00     0.00      -nan%")
            .replace("\"requests\":2764", "\"requests\":0")
            .replace("\"status\":2764", "\"status\":0")
            .replace("\"timeout\":0", "\"timeout\":2");
        let report = Report::parse(&nothing).unwrap();
        assert!(report.columns.is_empty() && report.line.requests == 0);
        assert_eq!(report.line.failed(520, 2).unwrap(), "2 requests that took more than 2 s");
    }

    #[test]
    fn answers_are_about_as_long_as_the_right_one() {
        let line = |requests, bytes| {
            let line = Report::parse(RECORDED).unwrap().line;
            Line { requests, bytes, errors: Errors::default(), ..line }
        };
        // As recorded: 520 bytes each.
        assert_eq!(line(2764, 1_437_280).failed(520, 2), None);
        // `Connection: close` is not in what was checked, and half an answer may be read at the end.
        assert_eq!(line(1000, 1000 * 179).failed(160, 64), None);
        assert_eq!(line(10, 10 * 1_000_000 + 63 * 900_000).failed(1_000_000, 64), None);
        let failed = |requests, bytes| line(requests, bytes).failed(160, 64).unwrap();
        assert_eq!(failed(1000, 350_000), "answers of 350 bytes on average, and the right one has 160");
        assert_eq!(failed(1000, 80_000), "answers of 80 bytes on average, and the right one has 160");
        assert_eq!(line(0, 0).failed(160, 64), None);
    }

    #[test]
    fn other_output_is_an_error_that_shows_it() {
        for (from, to) in [
            ("    Latency", "    Letancy"),
            ("{\"dur", "\"dur"),
            ("2.52k", "fast"),
            ("\"bytes\"", "\"bites\""),
        ] {
            let wrong = RECORDED.replace(from, to);
            assert_ne!(wrong, RECORDED);
            assert!(Report::parse(&wrong).unwrap_err().contains("1 threads and 2 connections"));
        }
    }

    #[test]
    fn units_are_wrks() {
        let cases = [
            ("1.50s", 1.5),
            ("2.00m", 120.0),
            ("250.00us", 250e-6),
            ("0.00", 0.0),
            ("1.20M", 1.2e6),
            ("36.05k", 36_050.0),
        ];
        for (text, number) in cases {
            let got = value(text).unwrap();
            assert!((got - number).abs() < 1e-6 * number.max(1e-9), "{text} {got}");
        }
        // What it prints of nothing.
        assert_eq!((value("-nan%"), value("fast")), (None, None));
    }
}
