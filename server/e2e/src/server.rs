//! The server's process: its log, and its end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::log_line::{value, without_time};
use crate::observation::{Observation, Outcome, Stage};

/// Between two looks at a process that has closed its log and should be about to end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// How long the system may take to bury a server whose connection has just broken.
const DYING: Duration = Duration::from_secs(2);

/// A server that was started; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    new_lines: Receiver<String>,
    log: Vec<String>,
    patience: Duration,
}

/// Why no line came that was waited for.
#[derive(Clone, Copy, Debug)]
pub enum NoLine {
    /// The log is closed, or the server has ended.
    Ended(Option<ExitStatus>),
    /// Time is up.
    Late,
}

impl Server {
    /// Starts `command`, whose standard error is the log.
    ///
    /// # Errors
    /// If it cannot be executed.
    pub fn start(command: &mut Command, patience: Duration) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let (sender, new_lines) = channel();
        if let Some(log) = child.stderr.take() {
            // Ends with the log; nobody waits for it.
            thread::spawn(move || {
                for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { child, new_lines, log: Vec::new(), patience })
    }

    /// The first line of the log, new or old, that `wanted` takes.
    ///
    /// # Errors
    /// If none comes.
    pub fn wait_for_line(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, NoLine> {
        self.wait_for_line_from(0, wanted)
    }

    /// The first line of the log that `wanted` takes and that nobody has waited for yet.
    ///
    /// # Errors
    /// If none comes.
    pub fn wait_for_new_line(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, NoLine> {
        self.wait_for_line_from(self.log.len(), wanted)
    }

    fn wait_for_line_from(
        &mut self,
        mut looked_at: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, NoLine> {
        let deadline = Instant::now() + self.patience;
        loop {
            while let Some(line) = self.log.get(looked_at) {
                if wanted(line) {
                    return Ok(line.clone());
                }
                looked_at += 1;
            }
            match self.new_lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => return Err(NoLine::Ended(self.wait_until(deadline))),
                Err(RecvTimeoutError::Timeout) => return Err(NoLine::Late),
            }
        }
    }

    /// The last line of the log so far that `wanted` takes.
    pub fn last_line(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.log.extend(self.new_lines.try_iter());
        self.log.iter().rev().map(String::as_str).find(|line| wanted(line))
    }

    /// Its status, if it has ended or ends within `time`.
    fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        self.wait_until(Instant::now() + time)
    }

    /// Sends it `signal`, if it has not ended.
    pub fn signal(&mut self, signal: Signal) {
        // What it has said so far is no answer.
        self.log.extend(self.new_lines.try_iter());
        // It cannot be gone for good: its status has not been fetched yet, or there is nobody to tell.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Tells it to stop, and waits for its end.
    ///
    /// # Errors
    /// What it does instead of ending well.
    pub fn stop(&mut self) -> Result<(), Observation> {
        self.signal(Signal::TERM);
        match self.ends_within(self.patience) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Observation::ended(Stage::Stop, status, &self.last_words())),
            None => Err(Observation::new(Outcome::Hung, Stage::Stop, "it does not end after SIGTERM")),
        }
    }

    /// What it means that a line did not come at `stage`: that it has ended, or, in the words of `what`, that it does not get on.
    pub fn silent(&mut self, why: NoLine, stage: Stage, what: &str) -> Observation {
        match why {
            NoLine::Ended(Some(status)) => Observation::ended(stage, status, &self.last_words()),
            NoLine::Ended(None) | NoLine::Late => Observation::new(Outcome::Hung, stage, what),
        }
    }

    /// What it means that a connection broke at [`Stage::Request`], of which `message` tells: a crash breaks them, too.
    pub fn broken(&mut self, message: String) -> Observation {
        match self.ends_within(DYING) {
            Some(status) => Observation::ended(Stage::Request, status, &self.last_words()),
            None => Observation::new(Outcome::Failed, Stage::Request, message),
        }
    }

    /// The last line of the log, which tells most about an end; the first error, if there is one.
    pub fn last_words(&mut self) -> String {
        self.log.extend(self.new_lines.try_iter());
        let first_error = self.log.iter().find(|line| value(line, "level") == Some("error"));
        without_time(first_error.or(self.log.last()).map_or("", String::as_str)).to_owned()
    }

    fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            let status = self.child.try_wait().ok().flatten();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
