//! The program under test with a cache plugin, and what can be seen of it from outside.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that is not itself a matter of time: far more than a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `fib-demo`. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    lines: Receiver<String>,
    log: Vec<String>,
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and fields, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The program on any port, with an admin side on another, and with a cache that a busy machine does not make too late.
pub(crate) fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fib-demo"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FIB_ADMIN", "127.0.0.1:0")
        .env("FIB_PORT", "0")
        .env("FIB_CACHE_TIMEOUT", "20s")
        .args(flags);
    command
}

/// The flag that names a plugin of this workspace.
pub(crate) fn plugin(package: &str) -> String {
    format!("--cache-plugin-path={}", built(package).display())
}

/// The same for one that is built so that a panic in it ends the process.
pub(crate) fn plugin_that_aborts(package: &str) -> String {
    format!("--cache-plugin-path={}", build(package, "plugins-abort", "abort").display())
}

impl Program {
    /// Starts it and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::run(&mut program(flags))
    }

    /// The same for a command that [`program`] gave.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut program = Self { child, address: unknown, admin: unknown, lines, log: Vec::new() };
        let address = |line: &str, key: &str| {
            line.split(' ').find_map(|word| word.strip_prefix(key)).unwrap().parse().unwrap()
        };
        program.address = address(&program.wait_for_log("msg=listening"), "address=");
        program.admin = address(&program.wait_for_log("msg=\"admin side\""), "admin=");
        program
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Answer {
        request(self.address, method, path)
    }

    /// Sends a request and does not wait for the answer.
    pub(crate) fn ask(&self, path: &str) -> TcpStream {
        send(self.address, "GET", path)
    }

    pub(crate) fn admin(&self, path: &str) -> Answer {
        request(self.admin, "GET", path)
    }

    /// A metric's value, by its name and labels without `dynlab_fib_`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.admin("/metrics").body;
        let name = format!("dynlab_fib_{name} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub(crate) fn wait_for_metric(&self, name: &str, what: impl Fn(u64) -> bool) -> u64 {
        test_services::wait_for(name, PATIENCE, || Some(self.metric(name)).filter(|value| what(*value)))
    }

    /// The first log line, new or old, that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(reason) => panic!("no line with {text:?} ({reason}) in:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Processor time that it has taken so far, in all threads: see proc_pid_stat(5).
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let ticks: u64 =
            after_name.split(' ').skip(12).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on all architectures here.
        Duration::from_millis(ticks * 10)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; gives the status and the whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running:\n{}", self.log.join("\n")),
            }
        }
        (self.child.wait().unwrap(), self.log.join("\n"))
    }

    /// Tells it to stop, and gives the whole log.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, log) = self.wait();
        assert!(status.success(), "{status}:\n{log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it says when it does not start with these flags.
pub(crate) fn refusal(flags: &[&str]) -> String {
    let output = program(flags).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    stderr
}

fn send(address: SocketAddr, method: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    read(send(address, method, path))
}

/// The answer to the one request of a connection.
pub(crate) fn read(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

impl Answer {
    /// What the error of a refused request says.
    pub(crate) fn error(&self) -> String {
        let json: BTreeMap<String, String> = serde_json::from_str(&self.body).unwrap();
        assert_eq!(json.len(), 1, "{}", self.body);
        json["error"].clone()
    }
}

/// A plugin, built once for all tests, in a target folder of its own: program and plugin share nothing but the contract.
fn built(package: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    built.entry(package.to_owned()).or_insert_with(|| build(package, "plugins", "unwind")).clone()
}

fn build(package: &str, folder: &str, panic: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(repository)
        .env("CARGO_PROFILE_DEV_PANIC", panic)
        .args(["build", "--locked", "--package", package, "--target-dir"])
        .arg(&target);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
    let plugin = target.join("debug").join(format!("lib{}.so", package.replace('-', "_")));
    fs::set_permissions(&plugin, Permissions::from_mode(0o644)).unwrap();
    plugin
}
