//! Redis, from the image `redis`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::service::{self, Missing, Service};

/// A Redis of its own for one test. It keeps nothing on disk and allows `DEBUG`.
#[derive(Debug)]
pub struct Redis {
    service: Option<Service>,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

/// What Redis answered to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// A status or a number, as text.
    Text(String),
    /// A value; `None` if there is none.
    Value(Option<Vec<u8>>),
    /// A refusal.
    Error(String),
}

const IMAGE: &str = "redis";
const MOUNTED: &str = "/run/redis";
const SOCKET: &str = "redis.sock";

impl Redis {
    /// Starts one with further options, such as `["--databases", "4"]`.
    ///
    /// # Errors
    /// [`Missing`] if this machine cannot run it.
    ///
    /// # Panics
    /// If it does not start though it could.
    pub fn start(options: &[&str]) -> Result<Redis, Missing> {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir().expect("a temporary folder");
        let socket = format!("{MOUNTED}/{SOCKET}");
        let fixed = [
            "/usr/bin/redis-server",
            "--port",
            "0",
            "--unixsocket",
            &socket,
            "--unixsocketperm",
            "777",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            "/tmp",
            "--enable-debug-command",
            "local",
        ];
        let arguments = fixed.iter().chain(options).map(|&word| word.to_owned()).collect();
        let mut redis = Redis { service: None, folder, arguments };
        redis.start_again()?;
        Ok(redis)
    }

    /// The socket it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// Ends it, as a crash would: without a word to its clients, and with nothing left of its data.
    pub fn stop(&mut self) {
        self.service = None;
        let _ = std::fs::remove_file(self.socket());
    }

    /// Starts it once more after [`Redis::stop`], on the same socket.
    ///
    /// # Errors
    /// As [`Redis::start`].
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_again(&mut self) -> Result<(), Missing> {
        let socket = self.socket();
        let is_ready = || command(&socket, &["PING"]).is_ok();
        self.service = Some(Service::start(IMAGE, self.folder.path(), MOUNTED, &self.arguments, is_ready)?);
        Ok(())
    }

    /// Gives it a command on a connection of its own, and waits for the answer.
    ///
    /// # Panics
    /// If it is not there.
    pub fn command(&self, words: &[&str]) -> RedisReply {
        command(&self.socket(), words).expect("Redis answers")
    }

    /// Unpipelined GETs a second of so many clients, as `redis-benchmark` of the same image measures them.
    ///
    /// # Panics
    /// If it does not run, or says something else than it does today.
    pub fn benchmark(&self, clients: usize, requests: usize) -> f64 {
        let fixed = BENCHMARK.map(str::to_owned).into_iter();
        let argv: Vec<String> =
            fixed.chain([clients.to_string(), "-n".to_owned(), requests.to_string()]).collect();
        let output = service::run(IMAGE, self.folder.path(), MOUNTED, &argv);
        let line = output
            .lines()
            .find(|line| line.starts_with("\"GET\""))
            .unwrap_or_else(|| panic!("no GET in {output}"));
        let rate = line.split(',').nth(1).unwrap_or_default().trim_matches('"');
        rate.parse().unwrap_or_else(|_| panic!("no rate in {line}"))
    }

    /// Gives it a command and does not wait for the answer, as to have it sleep.
    ///
    /// # Panics
    /// If it is not there.
    pub fn tell(&self, words: &[&str]) {
        send(&self.socket(), words).expect("Redis listens");
    }
}

/// Options of `redis-benchmark` that its output in commas goes with: name, then requests a second.
const BENCHMARK: [&str; 7] =
    ["/usr/bin/redis-benchmark", "-s", "/run/redis/redis.sock", "-t", "get", "--csv", "-c"];

fn command(socket: &Path, words: &[&str]) -> io::Result<RedisReply> {
    let mut answer = BufReader::new(send(socket, words)?);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let (kind, rest) = line.trim_end().split_at_checked(1).ok_or(io::ErrorKind::UnexpectedEof)?;
    match kind {
        "-" => Ok(RedisReply::Error(rest.to_owned())),
        "$" => {
            let Ok(length) = rest.parse::<usize>() else { return Ok(RedisReply::Value(None)) };
            let mut value = vec![0; length];
            answer.read_exact(&mut value)?;
            Ok(RedisReply::Value(Some(value)))
        }
        _ => Ok(RedisReply::Text(rest.to_owned())),
    }
}

/// Writes a command as an array of bulk strings (RESP, the protocol of Redis).
fn send(socket: &Path, words: &[&str]) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}
