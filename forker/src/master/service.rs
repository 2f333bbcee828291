//! The master's one thread: it waits, hears what has happened, and does what the supervisor decides.
//!
//! All processes are started from here, as the parent-death signal of Linux follows the thread that started them (prctl(2)).

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::hooks::Hooks;
use super::notify::Notify;
use super::predecessor::Predecessor;
use super::signals::Signals;
use super::status_socket::StatusSocket;
use super::successor::Successor;
use super::team::Team;
use super::{Master, resources};
use crate::channel::Channel;
use crate::error::{Error, chain};
use crate::program::Program;
use crate::socket::{Sockets, systemd};
use crate::supervise::{Ending, Event, Supervisor, WorkerId};

/// Between two looks at the queue of a slot that is to go.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(super) struct Service<'a> {
    pub(super) master: Master,
    pub(super) hooks: &'a mut dyn Hooks,
    pub(super) supervisor: Supervisor,
    pub(super) sockets: Sockets,
    pub(super) team: Team,
    /// By generation; those that could not be taken with the reason.
    pub(super) programs: BTreeMap<u32, Result<Program, String>>,
    pub(super) program_path: PathBuf,
    pub(super) command: String,
    pub(super) notify: Notify,
    pub(super) successor: Option<Successor>,
    pub(super) predecessor: Option<Rc<Channel>>,
    pub(super) began: Instant,
    /// Of workers that are gone.
    pub(super) accepted_before: u64,
    pub(super) events: VecDeque<Event>,
    pub(super) ending: Option<Ending>,
    pub(super) could_not_steer: bool,
    pub(super) status: Option<StatusSocket>,
    signals: Signals,
    watched_slots: BTreeMap<usize, Instant>,
}

/// Runs a service to its end. A former master is told if this one fails.
pub(crate) fn serve(
    master: Master,
    hooks: &mut dyn Hooks,
    predecessor: Option<Predecessor>,
) -> Result<(), Error> {
    let (channel, inherited) = match predecessor {
        Some(former) => (Some(Rc::new(former.channel)), Some((former.program, former.rows))),
        None => (None, None),
    };
    let result = Service::open(master, hooks, channel.clone(), inherited).and_then(Service::run);
    if let (Err(error), Some(channel)) = (&result, &channel) {
        Predecessor::failed(channel, chain(error));
    }
    result
}

type Inherited = (PathBuf, Vec<Vec<crate::socket::Socket>>);

impl<'a> Service<'a> {
    fn open(
        master: Master,
        hooks: &'a mut dyn Hooks,
        predecessor: Option<Rc<Channel>>,
        inherited: Option<Inherited>,
    ) -> Result<Self, Error> {
        if master.workers == 0 {
            return Err(Error::NoWorker);
        }
        resources::check_descriptors(&master)?;
        let signals = Signals::register().map_err(Error::Signals)?;
        let program = Program::of_this_process().map_err(Error::Program)?;
        let (program_path, rows) = match inherited {
            Some((path, rows)) => (path, Some(rows)),
            None => (program.path().to_owned(), None),
        };
        let takes_over = rows.is_some();
        let (options, strategy) = (&master.socket_options, master.strategy);
        let sockets = match rows {
            Some(rows) => Sockets::adopt(rows, options, strategy, master.workers)?,
            None => first_sockets(&master)?,
        };
        // The former master still has the sockets of all its slots open, so that none can be closed yet.
        let slots = sockets.slots();
        // A new master leaves it to the former one until its own workers are ready.
        let status = match &master.status {
            Some(path) if !takes_over => Some(
                StatusSocket::open(path, false)
                    .map_err(|source| Error::Status { path: path.clone(), source })?,
            ),
            _ => None,
        };
        let chance = RandomState::new().hash_one(std::process::id());
        let supervisor = Supervisor::new(master.policy.clone(), slots, chance);
        let command = program_path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
        Ok(Self {
            master,
            hooks,
            supervisor,
            sockets,
            team: Team::default(),
            programs: [(1, Ok(program))].into(),
            program_path,
            command,
            notify: Notify::from_environment(),
            successor: None,
            predecessor,
            began: Instant::now(),
            accepted_before: 0,
            events: VecDeque::new(),
            ending: None,
            could_not_steer: false,
            status,
            signals,
            watched_slots: BTreeMap::new(),
        })
    }

    fn run(mut self) -> Result<(), Error> {
        let actions = self.supervisor.start(self.began.elapsed());
        self.perform(actions);
        loop {
            self.handle_all();
            self.answer_status();
            if let Some(ending) = self.ending.take() {
                return self.result(ending);
            }
            self.wait()?;
            self.watch_slots();
            self.events.push_back(Event::Tick);
        }
    }

    fn handle_all(&mut self) {
        while let Some(event) = self.events.pop_front() {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        if event == Event::More && !self.has_room_for_more() {
            return;
        }
        match &event {
            Event::Exited { id, exit } => {
                if let Some(member) = self.team.get(*id) {
                    self.accepted_before += member.accepted;
                    self.hooks.exit(&member.spawned, *exit);
                }
            }
            Event::Reopen => self.hooks.reopen_logs(),
            _ => {}
        }
        let ended = if let Event::Exited { id, .. } = event { Some(id) } else { None };
        let actions = self.supervisor.handle(self.began.elapsed(), event);
        self.perform(actions);
        // Until now notes could name its process id.
        ended.and_then(|id| self.team.forget(id));
    }

    /// Opens what one more worker needs.
    fn has_room_for_more(&mut self) -> bool {
        let slots = self.supervisor.slots_for_more();
        if slots <= self.sockets.slots() {
            return true;
        }
        let wanted = Master { workers: slots, ..self.master.clone() };
        let grown = resources::check_descriptors(&wanted)
            .and_then(|()| self.sockets.grow(slots).map_err(Error::Socket));
        if let Err(error) = &grown {
            tracing::error!(error = chain(error), "cannot start one more worker");
        }
        grown.is_ok()
    }

    fn wait(&mut self) -> Result<(), Error> {
        let timeout = self
            .timeout()
            .map(|left| Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 }));
        let mut ids = Vec::new();
        let mut watched = vec![PollFd::new(&self.signals, PollFlags::IN)];
        for (id, channel) in self.team.channels() {
            ids.push(id);
            watched.push(PollFd::new(channel, PollFlags::IN));
        }
        let workers = 1..watched.len();
        if let Some(status) = &self.status {
            watched.push(PollFd::new(status, PollFlags::IN));
            watched.extend(status.waiting().map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::OUT)));
        }
        let channels = self.successor.as_ref().and_then(Successor::channel);
        watched.extend(channels.map(|channel| PollFd::from_borrowed_fd(channel, PollFlags::IN)));
        watched.extend(self.predecessor.as_ref().map(|channel| PollFd::new(channel.as_ref(), PollFlags::IN)));
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::Wait(error.into())),
        }
        let said = watched[workers].iter().zip(ids);
        let said: Vec<WorkerId> = said.filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, id)| id).collect();
        drop(watched);
        self.hear(&said);
        Ok(())
    }

    fn hear(&mut self, said: &[WorkerId]) {
        for id in said {
            self.events.extend(self.team.listen(*id));
        }
        let (asked, child_ended) = self.signals.take();
        if child_ended {
            self.events.extend(self.team.ended());
        }
        self.events.extend(asked);
        if let Some(successor) = &mut self.successor {
            self.events.extend(successor.event());
            if successor.deadline <= Instant::now() && !self.supervisor.is_stopping() {
                successor.kill_and_wait();
                let why = "its workers were not ready in time".to_owned();
                self.events.push_back(Event::SuccessorFailed { why });
            }
        }
        if self.predecessor.as_ref().is_some_and(|channel| Predecessor::is_gone(channel)) {
            self.predecessor = None;
            self.sockets.take_files();
            // Its sockets are only ours now, and those that are too many can go.
            for _ in self.master.workers..self.supervisor.workers() {
                self.events.push_back(Event::Fewer);
            }
        }
    }

    /// With what is true now: whoever has seen a worker die finds no trace of it here.
    fn answer_status(&mut self) {
        if self.status.as_mut().is_some_and(StatusSocket::is_asked) {
            self.events.extend(self.team.ended());
            self.handle_all();
            let text = self.status_text();
            if let Some(status) = &mut self.status {
                status.answer(&text);
            }
        } else if let Some(status) = &mut self.status {
            status.go_on();
        }
    }

    fn watch_slots(&mut self) {
        let leaving: Vec<_> = self.supervisor.draining_slots().collect();
        self.watched_slots.retain(|slot, _| leaving.contains(slot));
        let deadline = self.master.policy.graceful_deadline;
        for slot in leaving {
            let watched = self.watched_slots.entry(slot).or_insert_with(Instant::now).elapsed();
            if watched >= deadline || self.sockets.is_drained(slot) {
                self.events.push_back(Event::Drained { slot });
            }
        }
    }

    /// How long nothing is to be done, if nothing happens.
    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let of_supervisor =
            self.supervisor.next_deadline().map(|at| at.saturating_sub(now.duration_since(self.began)));
        let of_status = self.status.as_ref().and_then(StatusSocket::next_deadline);
        let of_successor = self.successor.as_ref().map(|successor| successor.deadline);
        let of_slots = self.supervisor.draining_slots().next().map(|_| BETWEEN_LOOKS);
        let of_effects = of_status.into_iter().chain(of_successor).min();
        let of_effects = of_effects.map(|at| at.saturating_duration_since(now));
        of_supervisor.into_iter().chain(of_effects).chain(of_slots).min()
    }

    fn result(self, ending: Ending) -> Result<(), Error> {
        match ending {
            Ending::Asked | Ending::HandedOver => Ok(()),
            Ending::BootFailed(death) => Err(Error::BootFailed(death)),
            Ending::TooManyDeaths(deaths) => {
                Err(Error::TooManyDeaths { deaths, window: self.master.policy.death_window })
            }
        }
    }
}

/// systemd's, or else those that the program wants.
fn first_sockets(master: &Master) -> Result<Sockets, Error> {
    let (options, strategy) = (&master.socket_options, master.strategy);
    let given: Vec<_> = systemd::take()?.into_iter().map(|named| named.socket).collect();
    if !given.is_empty() {
        return Ok(Sockets::adopt(vec![given], options, strategy, master.workers)?);
    }
    if master.addresses.is_empty() {
        return Err(Error::NoAddress);
    }
    Ok(Sockets::open(&master.addresses, options, strategy, master.workers)?)
}
