//! The master that takes over from this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::Child;
use std::time::Instant;

use crate::channel::{Channel, Received};
use crate::exit::Exit;
use crate::message::{Hello, SuccessorHello, ToChild, ToMaster};
use crate::program::Program;
use crate::socket::Sockets;
use crate::start::{Bond, start};
use crate::supervise::Event;

#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    channel: Channel,
    listens: bool,
    said: Option<String>,
    pub(super) deadline: Instant,
}

impl Successor {
    /// Starts the program that lies there now, with all sockets.
    pub(super) fn start(
        path: &Path,
        command: &str,
        sockets: &Sockets,
        deadline: Instant,
    ) -> io::Result<Self> {
        let program = Program::at(path)?;
        let (channel, theirs) = Channel::pair()?;
        let rows = sockets.rows();
        let hello = SuccessorHello {
            command: command.to_owned(),
            program: path.to_owned(),
            rows: rows.iter().map(Vec::len).collect(),
        };
        channel.send(&ToChild::Hello(Hello::Successor(hello)))?;
        let stdin = io::stdin();
        let descriptors: Vec<_> = [stdin.as_fd()].into_iter().chain(rows.into_iter().flatten()).collect();
        channel.send_descriptors(&descriptors)?;
        let child = start(&program, theirs, Bond::Outlives, |_| {})?;
        Ok(Self { child, channel, listens: true, said: None, deadline })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn kill_and_wait(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its channel, as long as something may come.
    pub(super) fn channel(&self) -> Option<BorrowedFd<'_>> {
        self.listens.then(|| self.channel.as_fd())
    }

    /// What it has said, or how it has ended.
    pub(super) fn event(&mut self) -> Option<Event> {
        let exit = self.child.try_wait().ok().flatten().map(Exit::from);
        while self.listens {
            match self.channel.receive() {
                Ok(Received::Message(ToMaster::Ready)) => return Some(Event::SuccessorReady),
                Ok(Received::Message(ToMaster::Failed { why })) => self.said = Some(why),
                Ok(Received::Message(ToMaster::Alive { .. })) => {}
                Ok(Received::Nothing) => break,
                Ok(Received::Closed) | Err(_) => self.listens = false,
            }
        }
        let exit = exit?;
        let why = match self.said.take() {
            Some(said) => format!("the new master ended with {exit}: {said}"),
            None => format!("the new master ended with {exit}"),
        };
        Some(Event::SuccessorFailed { why })
    }
}
