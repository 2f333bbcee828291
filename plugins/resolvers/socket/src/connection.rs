//! A connection to the daemon, and what is under way on it.

use crate::desk::{Desk, Outcome};
use crate::settings::Checked;
use backend_map::wire::{self, Answer, GREETING};
use backend_map::Host;
use plugin_sdk::abi::Status;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{connect, socket_with, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The instance ends.
    Wanted,
    /// The daemon is gone, or does not answer, or speaks otherwise.
    Lost(String),
}

/// Connects without waiting.
///
/// # Errors
/// What the operator should know.
pub(crate) fn open(path: &Path) -> Result<UnixStream, String> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connected = SocketAddrUnix::new(path).and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &address)?;
        Ok(UnixStream::from(socket))
    });
    let cannot =
        |cause: &dyn std::fmt::Display| format!("cannot reach the daemon at {}: {cause}", path.display());
    connected.map_err(|errno| match errno {
        Errno::AGAIN => cannot(&"its queue is full"),
        Errno::ACCESS => cannot(&"Permission denied; is this process in the daemon's --group?"),
        errno => cannot(&io::Error::from(errno)),
    })
}

struct Connection<'a> {
    desk: &'a Desk,
    settings: &'a Checked,
    stream: UnixStream,
    to_send: Vec<u8>,
    received: Vec<u8>,
    is_greeted: bool,
    next: u32,
    under_way: HashMap<u32, (Host, Instant)>,
    /// When the daemon was last heard of while something was waited for.
    since: Instant,
}

/// Sends questions and notes answers until the connection ends. `greeted` is called once when the daemon has said who it is.
pub(crate) fn serve(desk: &Desk, settings: &Checked, stream: UnixStream, greeted: impl FnOnce()) -> End {
    let mut connection = Connection {
        desk,
        settings,
        stream,
        to_send: GREETING.to_vec(),
        received: Vec::new(),
        is_greeted: false,
        next: 0,
        under_way: HashMap::new(),
        since: Instant::now(),
    };
    let mut greeted = Some(greeted);
    loop {
        if desk.has_ended() {
            return End::Wanted;
        }
        if let Err(reason) = connection.step() {
            return End::Lost(reason);
        }
        if connection.is_greeted {
            if let Some(greeted) = greeted.take() {
                greeted();
            }
        }
    }
}

impl Connection<'_> {
    /// Does what there is to do, or waits for something to do.
    fn step(&mut self) -> Result<(), String> {
        self.take_questions();
        self.send()?;
        let is_waiting = !self.is_greeted || !self.under_way.is_empty();
        let patience = if is_waiting { Some(self.patience()?) } else { None };
        let wanted = if self.to_send.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut descriptors =
            [PollFd::new(self.desk.bell(), PollFlags::IN), PollFd::new(&self.stream, wanted)];
        wait(&mut descriptors, patience)?;
        let [bell, stream] = descriptors.map(|descriptor| !descriptor.revents().is_empty());
        if bell {
            self.desk.silence();
        }
        if stream {
            self.receive()?;
        }
        Ok(())
    }

    /// How long the oldest open question may still take.
    fn patience(&self) -> Result<Duration, String> {
        let oldest = self.under_way.values().map(|(_, asked)| *asked).min();
        let deadline = oldest.unwrap_or(self.since) + self.settings.timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!(
                "the daemon at {} did not answer within {:?}",
                self.settings.path.display(),
                self.settings.timeout
            ));
        }
        Ok(left)
    }

    fn take_questions(&mut self) {
        if !self.is_greeted {
            return;
        }
        let now = Instant::now();
        for host in self.desk.take_unsent() {
            // A number comes again after four billion questions; the earlier one is answered or timed out by then.
            self.next = self.next.wrapping_add(1);
            wire::write_question(&mut self.to_send, self.next, &host);
            self.under_way.insert(self.next, (host, now));
        }
    }

    fn send(&mut self) -> Result<(), String> {
        while !self.to_send.is_empty() {
            match self.stream.write(&self.to_send) {
                Ok(0) => return Err("the daemon takes nothing".to_owned()),
                Ok(sent) => drop(self.to_send.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the connection to the daemon broke: {error}")),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut part = [0; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) => return Err("the daemon has closed the connection".to_owned()),
            Ok(length) => self.received.extend(part.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(())
            }
            Err(error) => return Err(format!("the connection to the daemon broke: {error}")),
        }
        if !self.is_greeted {
            if self.received.len() < GREETING.len() {
                return Ok(());
            }
            if !self.received.starts_with(&GREETING) {
                return Err(format!(
                    "what listens at {} is no daemon of this version; let both be of one release",
                    self.settings.path.display()
                ));
            }
            self.received.drain(..GREETING.len());
            self.is_greeted = true;
        }
        self.note_answers()
    }

    fn note_answers(&mut self) -> Result<(), String> {
        let mut read = 0;
        let now = Instant::now();
        while let Some((number, answer, length)) =
            wire::read_answer(self.received.get(read..).unwrap_or_default())
                .map_err(|garbled| garbled.to_string())?
        {
            read += length;
            let Some((host, _)) = self.under_way.remove(&number) else {
                return Err("the daemon answers what it was not asked".to_owned());
            };
            let outcome = match answer {
                Answer::Found(upstreams) => Outcome::Upstreams(Arc::new(upstreams)),
                Answer::NotKnown => Outcome::NotKnown,
                Answer::Failed(reason) => Outcome::Failed(Status::FAILED, reason.into()),
            };
            self.desk.answer(&host, outcome, now);
        }
        self.received.drain(..read);
        Ok(())
    }
}

/// Waits for one of them, at most so long.
///
/// # Errors
/// What poll(2) answered.
pub(crate) fn wait(descriptors: &mut [PollFd<'_>], patience: Option<Duration>) -> Result<(), String> {
    let patience = patience.map(|patience| Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    match poll(descriptors, patience.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(format!("cannot wait: {}", io::Error::from(errno))),
    }
}
