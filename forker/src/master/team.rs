//! The processes of the workers: started, listened to, waited for.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, getpid, wait};

use super::hooks::Spawned;
use crate::channel::{Channel, Received};
use crate::exit::Exit;
use crate::message::{Hello, ToChild, ToMaster, WorkerHello};
use crate::program::Program;
use crate::start::{Bond, start};
use crate::supervise::{Event, WorkerId};

#[derive(Debug, Default)]
pub(super) struct Team(BTreeMap<WorkerId, Member>);

/// One process.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) spawned: Spawned,
    pub(super) accepted: u64,
    pub(super) ready_after: Option<Duration>,
    since: Instant,
    beats: u64,
    child: Child,
    channel: Channel,
    /// Whether the other end is open.
    listens: bool,
}

impl Team {
    pub(super) fn start(
        &mut self,
        id: WorkerId,
        program: &Program,
        hello: WorkerHello,
        sockets: &[BorrowedFd<'_>],
        prepare: impl FnOnce(&mut Command),
    ) -> io::Result<Spawned> {
        let (slot, generation) = (hello.slot, hello.generation);
        let (channel, theirs) = Channel::pair()?;
        channel.send(&ToChild::Hello(Hello::Worker(hello)))?;
        let stdin = io::stdin();
        let mut descriptors = vec![stdin.as_fd()];
        descriptors.extend(sockets);
        channel.send_descriptors(&descriptors)?;
        let since = Instant::now();
        let child = start(program, theirs, Bond::DiesWithParent, prepare)?;
        let spawned = Spawned { slot, generation, pid: child.id() };
        let (accepted, beats, ready_after, listens) = (0, 0, None, true);
        let member = Member { spawned, accepted, ready_after, since, beats, child, channel, listens };
        self.0.insert(id, member);
        Ok(spawned)
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Member> {
        self.0.get(&id)
    }

    pub(super) fn pid(&self, id: WorkerId) -> Option<u32> {
        self.get(id).map(|member| member.spawned.pid)
    }

    pub(super) fn send(&self, id: WorkerId, message: &ToChild) {
        if let Some(member) = self.get(id) {
            // One that does not listen is killed at its deadline.
            let _ = member.channel.send(message);
        }
    }

    pub(super) fn kill(&mut self, id: WorkerId) {
        if let Some(member) = self.0.get_mut(&id) {
            // It has not been waited for, so that the process id is its own.
            let _ = member.child.kill();
        }
    }

    /// What may become readable.
    pub(super) fn channels(&self) -> impl Iterator<Item = (WorkerId, &Channel)> {
        self.0.iter().filter(|(_, member)| member.listens).map(|(id, member)| (*id, &member.channel))
    }

    /// What a worker has said.
    pub(super) fn listen(&mut self, id: WorkerId) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(member) = self.0.get_mut(&id) {
            member.listen(id, &mut events);
        }
        events
    }

    /// Who has ended, each after what it said last.
    pub(super) fn ended(&mut self) -> Vec<Event> {
        let mut orphans = if getpid().is_init() { wait_for_all() } else { BTreeMap::new() };
        let mut events = Vec::new();
        for (id, member) in &mut self.0 {
            let orphan = orphans.remove(&member.spawned.pid);
            let exit = orphan.or_else(|| member.child.try_wait().ok().flatten().map(Exit::from));
            if let Some(exit) = exit {
                member.listen(*id, &mut events);
                events.push(Event::Exited { id: *id, exit });
            }
        }
        events
    }

    /// A process that has ended.
    pub(super) fn forget(&mut self, id: WorkerId) -> Option<Member> {
        self.0.remove(&id)
    }
}

impl Member {
    fn listen(&mut self, id: WorkerId, events: &mut Vec<Event>) {
        while self.listens {
            match self.channel.receive() {
                Ok(Received::Message(ToMaster::Ready)) => {
                    self.ready_after.get_or_insert_with(|| self.since.elapsed());
                    events.push(Event::Ready { id });
                }
                Ok(Received::Message(ToMaster::Alive { accepted, beats })) => {
                    let beat = (beats > 0).then_some(beats != self.beats);
                    (self.accepted, self.beats) = (accepted, beats);
                    events.push(Event::Alive { id, beat });
                }
                Ok(Received::Message(ToMaster::Failed { why })) => events.push(Event::Said { id, why }),
                Ok(Received::Nothing) => return,
                // What cannot be read is not listened to any more; the missing heartbeats will tell.
                Ok(Received::Closed) | Err(_) => self.listens = false,
            }
        }
    }
}

/// As process 1 of a container the master inherits every orphan, and nobody else waits for them.
fn wait_for_all() -> BTreeMap<u32, Exit> {
    let mut ended = BTreeMap::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        let exit = match status.terminating_signal() {
            Some(signal) => Exit::Signal(signal),
            None => Exit::Code(status.exit_status().unwrap_or_default()),
        };
        if let Ok(pid) = u32::try_from(pid.as_raw_pid()) {
            ended.insert(pid, exit);
        }
    }
    ended
}
