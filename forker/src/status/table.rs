//! A status for people.

use std::fmt::Write;

use super::{State, Status, WorkerState, WorkerStatus};

const HEAD: [&str; 10] =
    ["SLOT", "PID", "GENERATION", "STATE", "UPTIME", "RESTARTS", "ACCEPTED", "CPU", "MEMORY", "LAST EXIT"];

/// A line on the master, and one for each worker.
pub fn table(status: &Status) -> String {
    let state = match status.state {
        State::Booting => "booting",
        State::Running => "running",
        State::Reloading => "reloading",
        State::Stopping => "stopping",
    };
    let mut text = format!(
        "{} (pid {}) {state}, generation {}, up {}, {} on {}, {} accepted\n",
        status.name,
        status.pid,
        status.generation,
        time(status.uptime_seconds),
        status.strategy,
        status.addresses.join(" "),
        status.accepted,
    );
    let rows: Vec<_> = status.workers.iter().map(row).collect();
    let head = HEAD.map(str::to_owned);
    let widths: Vec<_> = (0..HEAD.len())
        .map(|column| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in [&head].into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(worker: &WorkerStatus) -> [String; 10] {
    let state = match worker.state {
        WorkerState::Starting => "starting",
        WorkerState::Ready => "ready",
        WorkerState::Draining => "draining",
    };
    [
        worker.slot.to_string(),
        worker.pid.to_string(),
        worker.generation.to_string(),
        state.to_owned(),
        time(worker.uptime_seconds),
        worker.restarts.to_string(),
        worker.accepted.to_string(),
        worker.cpu_seconds.map_or_else(unknown, |seconds| format!("{seconds:.2} s")),
        worker.resident_bytes.map_or_else(unknown, |bytes| format!("{:.1} MiB", mebibytes(bytes))),
        worker.last_exit.clone().unwrap_or_else(unknown),
    ]
}

fn unknown() -> String {
    "-".to_owned()
}

/// A process has less memory than a double has digits.
#[allow(clippy::cast_precision_loss)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// In the two largest units.
fn time(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86400, whole % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_table() {
        let status = Status {
            name: "greeting".to_owned(),
            pid: 40,
            state: State::Running,
            generation: 2,
            uptime_seconds: 3725.9,
            addresses: vec!["127.0.0.1:80".to_owned()],
            strategy: "reuseport".to_owned(),
            workers_wanted: 2,
            accepted: 12,
            workers: vec![
                WorkerStatus {
                    slot: 0,
                    pid: 41,
                    generation: 2,
                    state: WorkerState::Ready,
                    uptime_seconds: 61.0,
                    ready_after_seconds: Some(0.01),
                    restarts: 0,
                    last_exit: None,
                    accepted: 7,
                    cpu_seconds: Some(0.5),
                    resident_bytes: Some(3 << 19),
                },
                WorkerStatus {
                    slot: 1,
                    pid: 42,
                    generation: 2,
                    state: WorkerState::Starting,
                    uptime_seconds: 0.2,
                    ready_after_seconds: None,
                    restarts: 3,
                    last_exit: Some("SIGKILL".to_owned()),
                    accepted: 0,
                    cpu_seconds: None,
                    resident_bytes: None,
                },
            ],
        };
        let expected = "\
greeting (pid 40) running, generation 2, up 1h02m, reuseport on 127.0.0.1:80, 12 accepted
SLOT  PID  GENERATION  STATE     UPTIME  RESTARTS  ACCEPTED  CPU     MEMORY   LAST EXIT
0     41   2           ready     1m01s   0         7         0.50 s  1.5 MiB  -
1     42   2           starting  0s      3         0         -       -        SIGKILL
";
        assert_eq!(table(&status), expected);
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in
            [(0.0, "0s"), (59.9, "59s"), (3600.0, "1h00m"), (90_000.0, "1d01h"), (-1.0, "0s")]
        {
            assert_eq!(time(seconds), text);
        }
    }
}
