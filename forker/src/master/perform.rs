//! Doing what the supervisor has decided.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::hooks::Spawning;
use super::predecessor::Predecessor;
use super::service::Service;
use super::status_socket::StatusSocket;
use super::successor::Successor;
use super::{log, resources};
use crate::message::{ToChild, WorkerHello};
use crate::program::Program;
use crate::supervise::{Action, Event, Note, WorkerId};

/// What a new master may take beside its workers.
const SUCCESSOR_STARTS: Duration = Duration::from_secs(10);

impl Service<'_> {
    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn { id, slot, generation } => self.spawn(id, slot, generation),
                Action::Drain { id } => self.team.send(id, &ToChild::Drain),
                Action::Reopen { id } => self.team.send(id, &ToChild::Reopen),
                Action::Kill { id } => self.team.kill(id),
                Action::TakeProgram { generation } => {
                    let program = Program::at(&self.program_path);
                    let path = self.program_path.display();
                    let program = program.map_err(|error| format!("{path}: {error}"));
                    self.programs.insert(generation, program);
                }
                Action::KeepPrograms { generations } => {
                    self.programs.retain(|generation, _| generations.contains(generation));
                }
                Action::Shrink { slots } => self.sockets.shrink(slots),
                Action::Steer { slots } => self.steer(&slots),
                Action::Announce => self.announce(),
                Action::StartSuccessor => self.start_successor(),
                Action::KillSuccessor => {
                    if let Some(mut successor) = self.successor.take() {
                        successor.kill_and_wait();
                    }
                }
                Action::Tell(note) => self.tell(&note),
                Action::End(ending) => self.ending = Some(ending),
            }
        }
    }

    fn spawn(&mut self, id: WorkerId, slot: usize, generation: u32) {
        let started = match self.programs.get(&generation) {
            None => Err("its program is not there any more".to_owned()),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(program)) => {
                let sockets = self.sockets.for_slot(slot);
                let hello = WorkerHello {
                    slot,
                    generation,
                    command: self.command.clone(),
                    sockets: sockets.len(),
                    core: if self.master.affinity { resources::core(slot) } else { None },
                    heartbeat_interval: self.master.policy.heartbeat_interval,
                };
                let hooks = &mut *self.hooks;
                let prepare = |command: &mut _| hooks.before_spawn(&Spawning { slot, generation }, command);
                self.team.start(id, program, hello, &sockets, prepare).map_err(|error| error.to_string())
            }
        };
        match started {
            Ok(spawned) => self.hooks.after_spawn(&spawned),
            Err(why) => self.events.push_back(Event::NotStarted { id, why }),
        }
    }

    fn steer(&mut self, slots: &[usize]) {
        if let Err(error) = self.sockets.steer(slots) {
            if !std::mem::replace(&mut self.could_not_steer, true) {
                warn!(%error, "new connections cannot be kept from workers that are away, and wait for them");
            }
        }
    }

    fn announce(&mut self) {
        let addresses: Vec<_> = self.sockets.addresses().iter().map(ToString::to_string).collect();
        let workers = self.supervisor.workers();
        info!(
            name = self.master.name,
            pid = std::process::id(),
            workers,
            addresses = addresses.join(" "),
            "serving"
        );
        self.notify.ready();
        if self.status.is_none() {
            self.take_status_socket();
        }
        if let Some(channel) = &self.predecessor {
            Predecessor::ready(channel);
        }
    }

    /// From the former master, which lives and has seen that the path can be used.
    fn take_status_socket(&mut self) {
        let Some(path) = &self.master.status else { return };
        match StatusSocket::open(path, true) {
            Ok(socket) => self.status = Some(socket),
            Err(error) => warn!(%error, path = %path.display(), "cannot take over the status socket"),
        }
    }

    fn start_successor(&mut self) {
        if rustix::process::getpid().is_init() {
            let why =
                "this is process 1, whose end is the container's; SIGHUP loads a new program, too".to_owned();
            self.events.push_back(Event::SuccessorFailed { why });
            return;
        }
        let deadline = Instant::now() + self.master.policy.ready_timeout + SUCCESSOR_STARTS;
        match Successor::start(&self.program_path, &self.command, &self.sockets, deadline) {
            Ok(successor) => self.successor = Some(successor),
            Err(error) => {
                let why = format!("{}: {error}", self.program_path.display());
                self.events.push_back(Event::SuccessorFailed { why });
            }
        }
    }

    fn tell(&mut self, note: &Note) {
        let pid = match note {
            Note::Ready { id, .. }
            | Note::Ended { id, .. }
            | Note::Died { id, .. }
            | Note::DeadlinePassed { id, .. } => self.team.pid(*id),
            _ => None,
        };
        log::tell(note, pid);
        match note {
            Note::Ready { id, .. } => {
                if let Some(member) = self.team.get(*id) {
                    self.hooks.ready(&member.spawned);
                }
            }
            Note::ReloadBegun { .. } => self.notify.reloading(),
            Note::ReloadDone { .. } | Note::ReloadFailed { .. } => self.notify.ready(),
            Note::HandedOver => {
                self.sockets.leave_files();
                if let Some(successor) = &self.successor {
                    self.notify.main_pid(successor.pid());
                }
            }
            Note::HandOverFailed { .. } => self.successor = None,
            Note::Stopping { .. } | Note::Killing { .. } if self.successor.is_none() => {
                self.notify.stopping()
            }
            _ => {}
        }
    }
}
