//! A daemon that does what a test tells it.

use backend_map::wire::{read_question, write_answer, Answer, GREETING};
use backend_map::{Upstream, Upstreams};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::num::NonZeroU16;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use tempfile::TempDir;

pub(crate) struct Daemon {
    folder: Option<TempDir>,
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Upstreams>,
    greeting: Option<[u8; 8]>,
    is_held: bool,
    is_stopped: bool,
    questions: usize,
    connections: Vec<UnixStream>,
}

type Entries<'a> = &'a [(&'a str, &'a [&'a str])];

impl Daemon {
    pub(crate) fn start(entries: Entries<'_>) -> Daemon {
        Daemon::start_in(tempfile::tempdir().unwrap(), entries)
    }

    pub(crate) fn start_in(folder: TempDir, entries: Entries<'_>) -> Daemon {
        let path = folder.path().join("resolver.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = Daemon { folder: Some(folder), path, shared: Arc::default() };
        daemon.set(entries);
        let shared = Arc::clone(&daemon.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut state = shared.state.lock().unwrap();
                if state.is_stopped {
                    return;
                }
                state.connections.push(stream.try_clone().unwrap());
                drop(state);
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        daemon
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it knows; weights are 1, 2, 3 …
    pub(crate) fn set(&self, entries: Entries<'_>) {
        let upstream = |(number, address): (u16, &&str)| Upstream {
            address: address.parse().unwrap(),
            weight: NonZeroU16::new(number).unwrap(),
        };
        let list = |addresses: &[&str]| Upstreams::new((1..).zip(addresses).map(upstream).collect()).unwrap();
        let entries = entries.iter().map(|(host, addresses)| ((*host).to_owned(), list(addresses)));
        self.change(|state| state.entries = entries.collect());
    }

    /// It answers nothing from now on.
    pub(crate) fn hold(&self) {
        self.change(|state| state.is_held = true);
    }

    pub(crate) fn release(&self) {
        self.change(|state| state.is_held = false);
    }

    pub(crate) fn greet_with(&self, greeting: [u8; 8]) {
        self.change(|state| state.greeting = Some(greeting));
    }

    pub(crate) fn questions(&self) -> usize {
        self.shared.state.lock().unwrap().questions
    }

    /// Ends it and all of its connections.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.folder.take().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
    }

    fn end(&self) {
        let _ = std::fs::remove_file(&self.path);
        self.change(|state| {
            state.is_stopped = true;
            state.connections.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(shared: &Shared, mut stream: UnixStream) {
    let greeting = shared.state.lock().unwrap().greeting.unwrap_or(GREETING);
    let mut received = [0; 8];
    if stream.write_all(&greeting).is_err() || stream.read_exact(&mut received).is_err() {
        return;
    }
    assert_eq!(received, GREETING);
    let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
    while let Ok(length @ 1..) = stream.read(&mut part) {
        bytes.extend(&part[..length]);
        while let Some((number, host, length)) = read_question(&bytes).unwrap() {
            bytes.drain(..length);
            let mut state = shared.state.lock().unwrap();
            state.questions += 1;
            let state = shared.changed.wait_while(state, |it| it.is_held && !it.is_stopped).unwrap();
            let answer = state.entries.get(host.as_str()).cloned().map_or(Answer::NotKnown, Answer::Found);
            drop(state);
            let mut message = Vec::new();
            write_answer(&mut message, number, &answer);
            // In two parts, so that it is put together.
            let (front, back) = message.split_at(3);
            if stream.write_all(front).and_then(|()| stream.write_all(back)).is_err() {
                return;
            }
        }
    }
}
