//! An upstream that a test starts, stops and looks into.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Answers every request on a unix socket with the request's own first line and its name; keeps connections open.
#[derive(Debug)]
pub struct Upstream {
    path: PathBuf,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    ended: AtomicBool,
}

impl Upstream {
    /// Listens on `path`.
    ///
    /// # Panics
    /// If that cannot be.
    pub fn listen(path: &Path, name: &'static str) -> Upstream {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("a socket in the shared folder");
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, name, &shared));
            }
        });
        Upstream { path: path.to_owned(), counts }
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many requests it has answered.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.counts.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, name: &str, counts: &Counts) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let is_last =
            lines.by_ref().take_while(|line| !line.is_empty()).any(|line| line == "Connection: close");
        counts.requests.fetch_add(1, Ordering::SeqCst);
        let body = format!("{name} {first}\n");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() || is_last {
            return;
        }
    }
}
