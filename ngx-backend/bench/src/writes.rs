//! Durable changes: redb's own, a transaction each; and the daemon's, over its API.

use redb::{Database, TableDefinition};
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Measured;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
/// What stands for an upstream in redb's own store: as long as what the daemon writes there.
const VALUE: &[u8] = &[1; 10];
const CLIENTS: u32 = 8;
/// Of each client; after them it begins again.
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
        (0..CLIENTS).map(|number| Client::new(&daemon.socket, number)).collect::<io::Result<Vec<_>>>()?;
    fill(&database)?;
    clients[0].fill()?;
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

/// The host that a client changes at a time.
fn host(client: u32, time: u32) -> String {
    format!("h{}.c{client}.example", time % HOSTS)
}

/// Every host that will be changed: a change in a larger store writes more of it, so both have the same ones from the beginning.
fn all_hosts() -> impl Iterator<Item = String> {
    (0..CLIENTS).flat_map(|client| (0..HOSTS).map(move |time| host(client, time)))
}

fn fill(database: &Database) -> Result<(), Box<dyn Error>> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for host in all_hosts() {
            table.insert(host.as_bytes(), VALUE)?;
        }
    }
    Ok(transaction.commit()?)
}

/// A transaction of its own for each change. Says how many there were.
fn of_redb(database: &Database, time: &mut u32, started: Instant) -> Result<u32, Box<dyn Error>> {
    let mut count = 0;
    while started.elapsed() < BLOCK {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            table.insert(host(0, *time).as_bytes(), VALUE)?;
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

fn entry(host: &str) -> String {
    format!(r#"{{"host": "{host}", "backend": "192.0.2.1:80"}}"#)
}

/// A connection to the daemon, and what was asked for over it.
struct Client {
    stream: UnixStream,
    number: u32,
    time: u32,
    /// What is sent and what comes back, each in the memory of the one before: what the client does for a change counts as the daemon's.
    request: String,
    answer: Vec<u8>,
}

impl Client {
    fn new(socket: &Path, number: u32) -> io::Result<Client> {
        let stream = UnixStream::connect(socket)?;
        Ok(Client { stream, number, time: 0, request: String::new(), answer: Vec::new() })
    }

    /// Changes one entry after the other until a block is over. Says how many.
    fn work(&mut self, started: Instant) -> io::Result<u32> {
        let mut count = 0;
        while started.elapsed() < BLOCK {
            self.post("/entries.json", &entry(&host(self.number, self.time)))?;
            (self.time, count) = (self.time.wrapping_add(1), count + 1);
        }
        Ok(count)
    }

    fn fill(&mut self) -> io::Result<()> {
        let lines: String = all_hosts().map(|host| entry(&host) + "\n").collect();
        self.post("/import.ndjson", &lines)
    }

    fn post(&mut self, path: &str, body: &str) -> io::Result<()> {
        self.request.clear();
        let length = body.len();
        write!(self.request, "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
            .map_err(io::Error::other)?;
        self.stream.write_all(self.request.as_bytes())?;
        take_answer(&mut self.stream, &mut self.answer)
    }
}

/// One that is a good one, into `answer`.
fn take_answer(stream: &mut impl Read, answer: &mut Vec<u8>) -> io::Result<()> {
    answer.clear();
    let mut part = [0; 4096];
    while length(answer).is_none_or(|length| answer.len() < length) {
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 20") {
        return Ok(());
    }
    Err(io::Error::other(format!("a change is answered {}", String::from_utf8_lossy(answer))))
}

/// Of the whole answer, once its head is there; one that does not tell has no body.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let told =
        answer[..end].split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"content-length: "));
    let told = told.and_then(|told| std::str::from_utf8(told.trim_ascii()).ok()?.parse().ok());
    Some(end + 4 + told.unwrap_or(0))
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
    fn only_a_good_and_whole_answer_is_taken() {
        let take = |text: &str| take_answer(&mut text.as_bytes(), &mut vec![b'x']);
        take("HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx: y\r\n\r\n{}").unwrap();
        take("HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        let error = take("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n{}").unwrap_err().to_string();
        assert!(error.contains("403"), "{error}");
        assert!(take("HTTP/1.1 200").is_err());
        assert!(take("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").is_err());
    }
}
