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

/// Of a block, after which it is another's turn.
const BLOCK: Duration = Duration::from_millis(20);

/// What is measured, in blocks by turns: a disk is fast in one second and slow in the next, and so is for all of them.
const PARTS: [&str; 4] = ["redb", "redb-again", "daemon", "daemon-8"];

/// So many blocks of each: of redb without anything around it, and of clients who ask the daemon `backend` one after the other each. Both stores are
/// in `folder`; what the daemon publishes is in memory, as it is meant to be.
pub(crate) fn by_turns(
    backend: &Path,
    folder: &Path,
    blocks: u32,
) -> Result<Vec<(&'static str, Measured)>, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join("own.redb");
    let database = Database::create(&file)?;
    let daemon = Daemon::start(backend, folder)?;
    let mut clients =
        (0..8).map(|number| Client::new(&daemon.socket, number)).collect::<io::Result<Vec<_>>>()?;
    let mut own = 0;
    let mut sums = [(Duration::ZERO, 0); PARTS.len()];
    for block in 0..blocks as usize {
        for place in 0..PARTS.len() {
            let part = (place + block) % PARTS.len();
            let started = Instant::now();
            let count = match PARTS[part] {
                "daemon" => clients[0].work(started)?,
                "daemon-8" => all_work(&mut clients, started)?,
                _ => of_redb(&database, &mut own, started)?,
            };
            sums[part].0 += started.elapsed();
            sums[part].1 += count;
        }
    }
    drop((clients, daemon, database));
    std::fs::remove_dir_all(folder)?;
    Ok(PARTS.into_iter().zip(sums.map(|(took, count)| Measured::Time(took, count))).collect())
}

/// A transaction of its own for each change. Says how many there were.
fn of_redb(database: &Database, time: &mut u32, started: Instant) -> Result<u32, Box<dyn Error>> {
    let mut count = 0;
    while started.elapsed() < BLOCK {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let key = format!("h{}.example", *time % HOSTS);
            table.insert(key.as_bytes(), b"192.0.2.1:80".as_slice())?;
        }
        transaction.commit()?;
        (*time, count) = (time.wrapping_add(1), count + 1);
    }
    Ok(count)
}

/// All at once.
fn all_work(clients: &mut [Client], started: Instant) -> io::Result<u32> {
    let counts: Vec<io::Result<u32>> = thread::scope(|scope| {
        let working: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(move || client.work(started))).collect();
        working
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    counts.into_iter().sum()
}

/// A connection to the daemon, and what was asked for over it.
struct Client {
    stream: BufReader<UnixStream>,
    number: u32,
    time: u32,
}

impl Client {
    fn new(socket: &Path, number: u32) -> io::Result<Client> {
        Ok(Client { stream: BufReader::new(UnixStream::connect(socket)?), number, time: 0 })
    }

    /// Changes one entry after the other until a block is over. Says how many.
    fn work(&mut self, started: Instant) -> io::Result<u32> {
        let mut count = 0;
        while started.elapsed() < BLOCK {
            let host = format!("h{}.c{}.example", self.time % HOSTS, self.number);
            let body = format!(r#"{{"host": "{host}", "backend": "192.0.2.1:80"}}"#);
            let head =
                format!("POST /entries.json HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            self.stream.get_mut().write_all((head + &body).as_bytes())?;
            take_answer(&mut self.stream)?;
            (self.time, count) = (self.time.wrapping_add(1), count + 1);
        }
        Ok(count)
    }
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
