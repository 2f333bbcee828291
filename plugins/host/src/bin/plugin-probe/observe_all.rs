//! `observe-all`: many plugins, each in a child of its own, each child's end an observation.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::child::{Child, End, Ended, Limits};
use crate::observe::{self, Subject};
use crate::report::{self, Observation, Outcome, Stage};
use crate::verdict::{self, Judged};

/// What `observe-all` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    /// How many children at once.
    pub(crate) jobs: usize,
    /// Where the jobs are read from; standard input if not given.
    pub(crate) list: Option<PathBuf>,
}

/// One line of the job list.
#[derive(Debug, Deserialize)]
struct Job {
    /// Given back as it came.
    id: Value,
    /// Whether the judge lets a plugin pass whose panics end the process.
    #[serde(default)]
    allow_abort: bool,
    #[serde(flatten)]
    subject: Subject,
}

/// One line of the answer.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a Value,
    #[serde(flatten)]
    observation: Observation,
    signal: Option<i32>,
    millis: u64,
    judged: &'a Judged,
}

/// A job whose child is at work.
struct Running {
    job: Job,
    judged: Judged,
    child: Child,
}

/// Reads all jobs, runs them, and writes one line for each as it ends.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut waiting = read_jobs(options)?;
    // Read once for all children, which inherit it.
    let mut host = verdict::read_host()?;
    let environment = verdict::environment(&host);
    let mut running: Vec<Running> = Vec::new();
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < options.jobs {
            let Some(job) = waiting.pop_front() else { break };
            let judged = verdict::judge_file(&mut host, &job.subject.file, job.allow_abort);
            let child = Child::spawn(options.limits, |report| {
                observe::into_report(&environment, &job.subject, report);
            })
            .map_err(|error| format!("cannot start a child for job {}: {error}", job.id))?;
            running.push(Running { job, judged, child });
        }
        wait_for_any(&running)?;
        let mut still_running = Vec::with_capacity(running.len());
        for mut one in running {
            match one
                .child
                .look()
                .map_err(|error| format!("lost the child of job {}: {error}", one.job.id))?
            {
                None => still_running.push(one),
                Some(ended) => report::print(&to_line(&one, &ended, options.limits))?,
            }
        }
        running = still_running;
    }
    Ok(())
}

fn read_jobs(options: &Options) -> Result<VecDeque<Job>, String> {
    let mut text = String::new();
    match &options.list {
        None => io::stdin().read_to_string(&mut text).map(drop),
        Some(path) => std::fs::read_to_string(path).map(|read| text = read),
    }
    .map_err(|error| format!("cannot read the jobs: {error}"))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| format!("line {} of the jobs is not a job ({error}): {line}", index + 1))
        })
        .collect()
}

fn wait_for_any(running: &[Running]) -> Result<(), String> {
    let patience = running.iter().map(|one| one.child.patience()).min().unwrap_or_default();
    let mut descriptors: Vec<PollFd<'_>> = running
        .iter()
        .flat_map(|one| one.child.descriptors())
        .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
        .collect();
    match poll(&mut descriptors, Some(&timespec(patience))) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(format!("cannot wait for the children: {error}")),
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Waits are fractions of a second, so neither cast can cut anything off.
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) as _ }
}

fn to_line<'a>(one: &'a Running, ended: &Ended, limits: Limits) -> Line<'a> {
    let millis = u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX);
    let (observation, signal) = read_end(ended, limits);
    Line { id: &one.job.id, observation, signal, millis, judged: &one.judged }
}

/// Turns a child's end and its report into an observation and the signal, if one was involved.
fn read_end(ended: &Ended, limits: Limits) -> (Observation, Option<i32>) {
    let stage = last_stage(&ended.report);
    let (outcome, message, signal) = match ended.end {
        End::Exited(status) => {
            if let Some(observation) = observe::from_report(&ended.report) {
                return (observation, None);
            }
            let message = format!("ended with status {status} before it could report");
            (Outcome::Crashed, message, None)
        }
        End::Signalled(signal) => {
            (Outcome::Crashed, format!("killed by {}", signal_name(signal)), Some(signal))
        }
        // Which of the limits came first is chance; the report is to be the same every time.
        End::OutOfTime => {
            let message = format!(
                "still running after {} s of processor time or {} s on the clock",
                limits.cpu_seconds,
                limits.wall.as_secs()
            );
            (Outcome::Hung, message, None)
        }
    };
    let noise = without_emulator(&ended.noise);
    let message = if noise.is_empty() { message } else { format!("{message}; it printed: {noise}") };
    (Observation { outcome, stage, code: None, message }, signal)
}

/// What the plugin itself printed: qemu adds a line when a signal ends the program it emulates.
fn without_emulator(noise: &str) -> String {
    let lines = noise.lines().filter(|line| !line.starts_with("qemu: uncaught target signal"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The stage that a child announced last.
fn last_stage(report: &str) -> Stage {
    report
        .lines()
        .rev()
        .find_map(|line| Stage::from_name(line.strip_prefix("stage ")?))
        .unwrap_or(Stage::Open)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: End, report: &str, noise: &str) -> Ended {
        Ended { end, report: report.into(), noise: noise.into(), took: Duration::from_millis(7) }
    }

    #[test]
    fn every_end_becomes_an_observation() {
        let limits = Limits { cpu_seconds: 2, wall: Duration::from_secs(5) };
        let cases = [
            (
                ended(End::Signalled(6), "stage open\nstage dlopen\n", ""),
                Outcome::Crashed,
                Stage::Dlopen,
                Some(6),
            ),
            (ended(End::OutOfTime, "stage create\n", ""), Outcome::Hung, Stage::Create, None),
            (ended(End::Exited(0), "stage dlopen\n", ""), Outcome::Crashed, Stage::Dlopen, None),
            (ended(End::Exited(7), "", "boo"), Outcome::Crashed, Stage::Open, None),
        ];
        for (ended, outcome, stage, signal) in cases {
            let (observation, seen) = read_end(&ended, limits);
            assert_eq!((observation.outcome, observation.stage, seen), (outcome, stage, signal));
        }
    }

    #[test]
    fn what_a_crashed_plugin_printed_is_kept() {
        let limits = Limits { cpu_seconds: 2, wall: Duration::from_secs(5) };
        let printed = "assertion failed\nqemu: uncaught target signal 6 (Aborted) - core dumped\n";
        let (observation, _) = read_end(&ended(End::Signalled(6), "", printed), limits);
        assert_eq!(observation.message, "killed by SIGABRT; it printed: assertion failed");
    }
}
