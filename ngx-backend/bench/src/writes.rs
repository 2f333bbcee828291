//! Durable changes: redb's own, a transaction each; and the daemon's, over its API.

use redb::{Database, TableDefinition};
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Measured;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
/// Of each writer; after them it begins again.
const HOSTS: u32 = 1_000;
/// Until the daemon serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// What redb does without anything around it.
pub(crate) fn of_redb(folder: &Path, times: u32) -> Result<Measured, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("own.redb");
    let database = Database::create(&file)?;
    let started = Instant::now();
    for time in 0..times {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let key = format!("h{}.example", time % HOSTS);
            table.insert(key.as_bytes(), b"192.0.2.1:80".as_slice())?;
        }
        transaction.commit()?;
    }
    let took = started.elapsed();
    drop(database);
    std::fs::remove_file(&file)?;
    Ok(Measured::Time(took, times))
}

/// What clients get who ask the daemon `backend` one after the other each; its store is in `folder`, what it publishes in memory, as it is meant to be.
pub(crate) fn of_daemon(
    backend: &Path,
    folder: &Path,
    clients: u32,
    times: u32,
) -> Result<Measured, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let daemon = Daemon::start(backend, folder)?;
    let each = times.div_ceil(clients);
    let started = Instant::now();
    let outcomes: Vec<io::Result<()>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                scope.spawn({
                    let socket = &daemon.socket;
                    move || change(socket, client, each)
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let took = started.elapsed();
    outcomes.into_iter().collect::<io::Result<()>>()?;
    drop(daemon);
    std::fs::remove_dir_all(folder)?;
    Ok(Measured::Time(took, each * clients))
}

fn change(socket: &Path, client: u32, times: u32) -> io::Result<()> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    for time in 0..times {
        let host = format!("h{}.c{client}.example", time % HOSTS);
        let body = format!(r#"{{"host": "{host}", "backend": "192.0.2.1:80"}}"#);
        let head =
            format!("POST /entries.json HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes())?;
        take_answer(&mut stream)?;
    }
    Ok(())
}

/// One whose length is known and that is a good one.
fn take_answer(stream: &mut impl BufRead) -> io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if head.starts_with("HTTP/1.1 20") {
        return Ok(());
    }
    Err(io::Error::other(format!("a change is answered {head}{}", String::from_utf8_lossy(&body))))
}

/// The daemon; ended when dropped.
struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(program: &Path, folder: &Path) -> Result<Daemon, Box<dyn Error>> {
        let published = Path::new("/dev/shm").join(format!("backend-bench-{}", std::process::id()));
        let socket = published.join("api.sock");
        let child = Command::new(program)
            .args(["--access-log", "off", "--log-level", "error", "--store"])
            .arg(folder.join("map.redb"))
            .arg("--publish")
            .arg(published.join("map"))
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut daemon = Daemon { child, socket };
        let started = Instant::now();
        while UnixStream::connect(&daemon.socket).is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                return Err(format!("{} ended with {status}", program.display()).into());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{} does not serve within {PATIENCE:?}", program.display()).into());
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
        if let Some(folder) = self.socket.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_is_taken() {
        let answer = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        take_answer(&mut answer("201 Created").as_bytes()).unwrap();
        let error = take_answer(&mut answer("403 Forbidden").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("403"), "{error}");
        assert!(take_answer(&mut b"HTTP/1.1 200".as_slice()).is_err());
    }
}
