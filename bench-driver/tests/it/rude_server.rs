//! A small HTTP server that behaves as its first argument says. The test program starts itself as that server: see [`run_if_asked`].

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What makes this program the server, in its environment: a behaviour.
pub(crate) const BEHAVIOUR: &str = "RUDE_SERVER";
/// The descriptor-free way to agree on a port: the test reserves it and says it.
pub(crate) const ADDRESS: &str = "RUDE_SERVER_ADDRESS";

pub(crate) const BODY: &str = "{\"right\": true}";

/// Serves for ever if the environment asks for it.
pub(crate) fn run_if_asked() {
    let (Ok(behaviour), Ok(address)) = (std::env::var(BEHAVIOUR), std::env::var(ADDRESS)) else { return };
    if behaviour == "ends" {
        eprintln!("I do not want to");
        std::process::exit(3);
    }
    let listener = TcpListener::bind(address).expect("the address is free");
    let started = Instant::now();
    for stream in listener.incoming().map_while(Result::ok) {
        let behaviour = behaviour.clone();
        thread::spawn(move || serve(stream, &behaviour, started));
    }
}

/// Requests of all connections so far.
fn asked_before() -> usize {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    ASKED.fetch_add(1, Ordering::SeqCst)
}

/// How many requests it lives to answer.
fn last_of_all(behaviour: &str) -> usize {
    match behaviour {
        "dies-later" => 20,
        "dies-after-one" => 1,
        _ => usize::MAX,
    }
}

fn serve(stream: TcpStream, behaviour: &str, started: Instant) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut stream = stream;
    let mut answers = 0;
    loop {
        loop {
            if lines.next()?.ok()?.is_empty() {
                break;
            }
        }
        answers += 1;
        if asked_before() >= last_of_all(behaviour) {
            eprintln!("I have had enough");
            std::process::exit(4);
        }
        let (status, body) = match behaviour {
            "wrong" => (200, "{\"right\": false}"),
            "fails-later" if answers > 20 => (500, BODY),
            _ => (200, BODY),
        };
        if behaviour == "closes-later" && answers > 20 {
            return None;
        }
        // Stalls once, half a second from its start, for all connections together.
        if behaviour == "stalls" {
            let since = started.elapsed();
            let (begin, end) = (Duration::from_millis(500), Duration::from_millis(900));
            if since > begin && since < end {
                thread::sleep(end - since);
            }
        }
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
    }
}
