//! What is measured: names, units, and which way is better.

use serde::{Deserialize, Serialize};

/// A figure of one sample. The value is in the base unit that its name or comment gives; pages show what people read more easily.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Metric {
    /// Answered requests a second of wall clock.
    RequestsPerSecond,
    /// Seconds of CPU, in user and kernel mode, of all processes of the server for each request.
    CpuSecondsPerRequest,
    /// Bytes: the peaks of resident memory of all processes of the server that live at the end, added up. What they share counts for each.
    PeakRssBytes,
    /// Seconds from the server's exec to its first right answer.
    StartSeconds,
    /// Seconds within which half of all requests were answered.
    LatencyP50Seconds,
    /// Seconds within which 99 % were.
    LatencyP99Seconds,
    /// Seconds by which the generator itself was late with 1 % of those requests that it could have sent at once.
    GeneratorLateSeconds,
    /// Seconds of wall clock for what the subject does once.
    WallSeconds,
    /// Seconds that one call takes.
    CallSeconds,
    /// Instructions that one call executes.
    CallInstructions,
    /// Seconds of processor time that one lookup takes.
    LookupSeconds,
    /// Seconds of wall clock until one change is published.
    PublishSeconds,
    /// Changes a second of wall clock that outlive the machine's end.
    ChangesPerSecond,
    /// Bytes that a table takes for each of its entries.
    BytesPerEntry,
}

const MEBIBYTE: f64 = 1024.0 * 1024.0;

impl Metric {
    /// What a column is called.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Metric::RequestsPerSecond => "requests/s",
            Metric::CpuSecondsPerRequest => "CPU per request",
            Metric::PeakRssBytes => "peak RSS",
            Metric::StartSeconds => "start",
            Metric::LatencyP50Seconds => "p50",
            Metric::LatencyP99Seconds => "p99",
            Metric::GeneratorLateSeconds => "generator late, p99",
            Metric::WallSeconds => "time",
            Metric::CallSeconds => "time per call",
            Metric::CallInstructions => "instructions per call",
            Metric::LookupSeconds => "CPU per lookup",
            Metric::PublishSeconds => "time per publication",
            Metric::ChangesPerSecond => "changes/s",
            Metric::BytesPerEntry => "bytes per entry",
        }
    }

    /// Whether a larger value is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Metric::RequestsPerSecond | Metric::ChangesPerSecond)
    }

    /// Whether it says something of the subject, so that ratios of it mean something.
    pub(crate) fn is_compared(self) -> bool {
        self != Metric::GeneratorLateSeconds
    }

    /// Of what people read, in the base unit: round numbers of it look round.
    pub(crate) fn unit(self) -> f64 {
        if self == Metric::PeakRssBytes { MEBIBYTE } else { 1.0 }
    }

    /// `value` as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Metric::RequestsPerSecond
            | Metric::CallInstructions
            | Metric::ChangesPerSecond
            | Metric::BytesPerEntry => grouped(value),
            Metric::PeakRssBytes => format!("{:.1} MiB", value / MEBIBYTE),
            _ => duration(value),
        }
    }
}

/// How many of something there are, with commas between thousands.
pub(crate) fn count(number: f64) -> String {
    if number.abs() < 100.0 { format!("{number}") } else { grouped(number) }
}

/// Seconds in the unit that leaves one to three digits before the point.
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        size if size >= 1.0 || size == 0.0 => (seconds, "s"),
        size if size >= 1e-3 => (seconds * 1e3, "ms"),
        size if size >= 1e-6 => (seconds * 1e6, "µs"),
        _ => (seconds * 1e9, "ns"),
    };
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0} {unit}"),
        size if size >= 10.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

/// A number of three digits or more without decimals, with commas between thousands.
fn grouped(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_three_digits_and_a_unit() {
        let cases = [
            (Metric::RequestsPerSecond, 1_234_567.4, "1,234,567"),
            (Metric::RequestsPerSecond, 999.6, "1,000"),
            (Metric::RequestsPerSecond, 100.0, "100"),
            (Metric::RequestsPerSecond, 12.34, "12.3"),
            (Metric::PeakRssBytes, 6.6 * 1024.0 * 1024.0, "6.6 MiB"),
            (Metric::CpuSecondsPerRequest, 9.4e-6, "9.40 µs"),
            (Metric::CallSeconds, 121e-9, "121 ns"),
            (Metric::BytesPerEntry, 87.24, "87.2"),
            (Metric::ChangesPerSecond, 4321.0, "4,321"),
            (Metric::CallSeconds, 10.72e-9, "10.7 ns"),
            (Metric::StartSeconds, 0.0055, "5.50 ms"),
            (Metric::WallSeconds, 320.0, "320 s"),
            (Metric::WallSeconds, 0.0, "0.00 s"),
        ];
        for (metric, value, shown) in cases {
            assert_eq!(metric.show(value), shown);
        }
        assert_eq!([1.0, 64.0, 100.0, 4096.0, 1e6].map(count), ["1", "64", "100", "4,096", "1,000,000"]);
    }
}
