//! The server's life: files, start, first right answer, end.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::answer::{self, Answer};
use crate::cores;
use crate::order::{Ask, Program};

/// Between two attempts to connect to a server that does not listen yet.
const BETWEEN_ATTEMPTS: Duration = Duration::from_micros(200);
/// For a server to end after SIGTERM.
const END: Duration = Duration::from_secs(10);

/// A server that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    started: Instant,
    /// What it writes; in a file, so that nobody has to keep reading.
    log: tempfile::NamedTempFile,
}

/// A server's first answer, which was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAnswer {
    /// How long it took from the server's start.
    pub(crate) after: Duration,
    /// Bytes of head and body together.
    pub(crate) bytes: usize,
}

impl Server {
    /// Writes its files and starts it on its cores.
    pub(crate) fn start(program: &Program) -> io::Result<Server> {
        for copy in &program.copies {
            place(&copy.to, &fs::read(&copy.from).map_err(|error| named(&copy.from, &error))?)?;
        }
        for file in &program.texts {
            place(&file.path, file.text.as_bytes())?;
        }
        let (name, arguments) =
            program.argv.split_first().ok_or_else(|| io::Error::other("a server without a program"))?;
        let log = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(name);
        command.args(arguments).env_clear().envs(&program.env).stdin(Stdio::null());
        command.stdout(log.reopen()?).stderr(log.reopen()?);
        let started = Instant::now();
        let child = cores::on(&program.cores, || command.spawn()).map_err(|error| named(name, &error))?;
        Ok(Server { child, started, log })
    }

    /// The number of its first process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// A wrong answer, its end, or silence beyond `patience`, with the end of its log.
    pub(crate) fn wait_until_right(&mut self, ask: &Ask, patience: Duration) -> Result<FirstAnswer, String> {
        loop {
            match answer::ask(ask, patience) {
                Answer::Right(bytes) => return Ok(FirstAnswer { after: self.started.elapsed(), bytes }),
                Answer::Wrong(how) => return Err(self.with_log(&how)),
                Answer::NotThere => self.is_still_starting(patience)?,
            }
        }
    }

    /// Waits until it takes connections.
    ///
    /// # Errors
    /// As [`Server::wait_until_right`].
    pub(crate) fn wait_until_there(&mut self, address: SocketAddr, patience: Duration) -> Result<(), String> {
        while TcpStream::connect_timeout(&address, patience).is_err() {
            self.is_still_starting(patience)?;
        }
        Ok(())
    }

    /// Waits a moment, if there is any hope.
    fn is_still_starting(&mut self, patience: Duration) -> Result<(), String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.with_log(&format!("the server ended with {status}")));
        }
        if self.started.elapsed() > patience {
            return Err(self.with_log(&format!("the server did not listen within {patience:?}")));
        }
        thread::park_timeout(BETWEEN_ATTEMPTS);
        Ok(())
    }

    /// Asks once more.
    pub(crate) fn is_still_right(&self, ask: &Ask, patience: Duration) -> Result<(), String> {
        match answer::ask(ask, patience) {
            Answer::Right(_) => Ok(()),
            Answer::Wrong(how) => Err(self.with_log(&format!("after the load: {how}"))),
            Answer::NotThere => Err(self.with_log("after the load nobody listens")),
        }
    }

    /// Has it end.
    ///
    /// # Errors
    /// It does not, or not well.
    pub(crate) fn end(mut self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END;
        let status: ExitStatus = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::park_timeout(Duration::from_millis(2)),
                _ => return Err(self.with_log(&format!("the server runs {END:?} after SIGTERM"))),
            }
        };
        // Those that do not know the signal are ended by it, which is all right.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::TERM.as_raw());
        if status.success() || by_signal {
            Ok(())
        } else {
            Err(self.with_log(&format!("the server ended with {status}")))
        }
    }

    fn with_log(&self, what: &str) -> String {
        const SHOWN: usize = 2000;
        let log = fs::read(self.log.path()).unwrap_or_default();
        let end = String::from_utf8_lossy(&log[log.len().saturating_sub(SHOWN)..]);
        format!("{what}; the end of its log:\n{end}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plugins are only loaded if nobody else could have written them.
fn place(path: &str, content: &[u8]) -> io::Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        let mut file = File::create(path)?;
        io::Write::write_all(&mut file, content)?;
        file.set_permissions(Permissions::from_mode(0o644))
    };
    write().map_err(|error| named(path, &error))
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
