//! Clients that ask one request after the other, and what became of each.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::service::Service;

/// How clients use connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// One for each request.
    NewConnections,
    /// Until the server closes it. A request that meets that moment is sent again on a new one, as RFC 9112 section 9.3.1 has it.
    KeepAlive,
}

/// A request without its answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) how: How,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Not even a connection.
    NoConnection(ErrorKind),
    /// The connection ended before the answer did.
    Cut(ErrorKind),
    /// No answer for ten seconds.
    Silence,
    /// Another answer than it has to be.
    Wrong(String),
}

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<Failure>>>,
}

/// What became of all requests.
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) failures: Vec<Failure>,
}

const PATIENCE: Duration = Duration::from_secs(10);
const GREETING: &[u8] = b"greeting!!!";

impl Load {
    pub(super) fn start(address: SocketAddr, clients: usize, manner: Manner) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let work = |_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || ask_on(address, manner, &stop, &answered))
        };
        let clients = (0..clients).map(work).collect();
        Self { stop, answered, clients }
    }

    /// Until now.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn end(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let clients = std::mem::take(&mut self.clients);
        let failures = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        Tally { answered: self.answered.load(Ordering::Relaxed), failures }
    }
}

/// When a test fails, its clients would go on and take the time of the others.
impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    #[track_caller]
    pub(super) fn assert_none_failed(&self, service: &Service) {
        let failed = self.failures.len();
        assert_eq!(failed, 0, "of {}: {:?}\n{}", self.answered, self.failures, service.log());
        eprintln!("{} requests, none failed", self.answered);
    }
}

fn ask_on(address: SocketAddr, manner: Manner, stop: &AtomicBool, answered: &AtomicU64) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let result = match manner {
            Manner::NewConnections => ask_once(address),
            Manner::KeepAlive => ask_again(address, &mut kept),
        };
        match result {
            Ok(()) => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(how) => failures.push(Failure { how, began, ended: Instant::now() }),
        }
    }
    failures
}

fn ask_once(address: SocketAddr) -> Result<(), How> {
    let mut stream = connect(address)?;
    let mut exchange = || -> io::Result<Vec<u8>> {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    check(&exchange().map_err(how)?)
}

fn ask_again(address: SocketAddr, kept: &mut Option<TcpStream>) -> Result<(), How> {
    if let Some(stream) = kept {
        match exchange_on(stream) {
            Ok((answer, stays)) => {
                if !stays {
                    *kept = None;
                }
                return check(&answer);
            }
            // Nothing came of it, so the server has closed what was idle.
            Err((_, 0)) => *kept = None,
            Err((error, _)) => {
                *kept = None;
                return Err(how(error));
            }
        }
    }
    let mut stream = connect(address)?;
    let (answer, stays) = exchange_on(&mut stream).map_err(|(error, _)| how(error))?;
    *kept = stays.then_some(stream);
    check(&answer)
}

/// The answer, and whether the connection may be used again; or the error and how much had come until then.
fn exchange_on(stream: &mut TcpStream) -> Result<(Vec<u8>, bool), (io::Error, usize)> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").map_err(|error| (error, 0))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.ends_with(GREETING) {
        match stream.read(&mut buffer) {
            Ok(0) => return Err((ErrorKind::UnexpectedEof.into(), answer.len())),
            Ok(length) => answer.extend(&buffer[..length]),
            Err(error) => return Err((error, answer.len())),
        }
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let stays = !head.contains("connection: close");
    Ok((answer, stays))
}

fn connect(address: SocketAddr) -> Result<TcpStream, How> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE);
    let stream = stream.map_err(|error| How::NoConnection(error.kind()))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Ok(stream)
}

fn how(error: io::Error) -> How {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => How::Silence,
        kind => How::Cut(kind),
    }
}

fn check(answer: &[u8]) -> Result<(), How> {
    if answer.is_empty() {
        return Err(How::Cut(ErrorKind::UnexpectedEof));
    }
    if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(GREETING) {
        return Ok(());
    }
    Err(How::Wrong(String::from_utf8_lossy(answer).into_owned()))
}
