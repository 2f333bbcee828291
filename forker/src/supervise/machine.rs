//! The state of a service, and how events reach it.

use std::collections::{BTreeMap, VecDeque};

use super::policy::Policy;
use super::reloading::Reload;
use super::words::{Action, Cause, Death, Ending, Event, Moment, Note, Stage, WorkerId};

/// All workers of one master. The list of processes is always true: one is in it from the moment it is to be started until it
/// has been waited for.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(super) policy: Policy,
    pub(super) phase: Phase,
    pub(super) slots: Vec<Slot>,
    pub(super) processes: BTreeMap<WorkerId, Process>,
    /// Those that count, the oldest first.
    pub(super) deaths: VecDeque<(Moment, Death)>,
    /// The program that all slots run, or ran before a reload that is going on.
    pub(super) generation: u32,
    /// The last program that was tried.
    pub(super) newest: u32,
    pub(super) reload: Option<Reload>,
    pub(super) reload_again: bool,
    pub(super) successor: bool,
    pub(super) now: Moment,
    pub(super) actions: Vec<Action>,
    steered: (Vec<usize>, usize),
    next_id: u64,
    chance: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Until all workers were ready once.
    Booting,
    Running,
    Stopping(Ending),
    Ended,
}

/// A place for a worker.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The program that worked here.
    pub(super) generation: u32,
    /// The worker that serves, or is to serve.
    pub(super) current: Option<WorkerId>,
    /// The one of a reload, until it is ready.
    pub(super) incoming: Option<WorkerId>,
    /// When to start one again, where none is.
    pub(super) respawn_at: Option<Moment>,
    pub(super) deaths_in_a_row: u32,
    pub(super) restarts: u32,
    pub(super) last_end: Option<Cause>,
    pub(super) leaving: Option<Leaving>,
}

/// How far a slot is that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Its worker takes what still waits.
    Queue,
    /// Its worker finishes.
    Worker,
}

/// A process that was started and has not been waited for.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) slot: usize,
    pub(super) generation: u32,
    pub(super) stage: Stage,
    pub(super) started: Moment,
    pub(super) alive: Moment,
    pub(super) said: Option<String>,
    /// Set when it was killed by us, which happens once.
    pub(super) killed: Option<Kill>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kill {
    NotReady,
    Silent,
    /// As it was asked to go, or is not needed.
    Wanted,
}

/// What a worker is like, for those who look.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) id: WorkerId,
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) stage: Stage,
    pub(crate) started: Moment,
    pub(crate) restarts: u32,
    pub(crate) last_end: Option<Cause>,
}

impl Supervisor {
    /// `chance` is the seed of the jitter.
    pub(crate) fn new(policy: Policy, workers: usize, chance: u64) -> Self {
        let slots = (0..workers).map(|_| Slot { generation: 1, ..Slot::default() }).collect();
        Self {
            policy,
            phase: Phase::Booting,
            slots,
            processes: BTreeMap::new(),
            deaths: VecDeque::new(),
            generation: 1,
            newest: 1,
            reload: None,
            reload_again: false,
            successor: false,
            now: Moment::ZERO,
            actions: Vec::new(),
            steered: ((0..workers).collect(), workers),
            next_id: 0,
            chance,
        }
    }

    /// The first workers.
    pub(crate) fn start(&mut self, now: Moment) -> Vec<Action> {
        self.now = now;
        for slot in 0..self.slots.len() {
            self.spawn_current(slot);
        }
        std::mem::take(&mut self.actions)
    }

    /// What follows from this. Events that are late, of processes that are gone, change nothing.
    pub(crate) fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        if self.phase == Phase::Ended {
            return Vec::new();
        }
        match event {
            Event::NotStarted { id, why } => self.gone(id, |_| Cause::NotStarted(why)),
            Event::Ready { id } => self.ready(id),
            Event::Alive { id, beat } => self.alive(id, beat),
            Event::Said { id, why } => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.said = Some(why);
                }
            }
            Event::Exited { id, exit } => self.exited(id, exit),
            Event::Drained { slot } => self.drained(slot),
            Event::Stop => self.stop(),
            Event::Quit => self.quit(),
            Event::Reload => self.reload(),
            Event::More => self.more(),
            Event::Fewer => self.fewer(),
            Event::Reopen => self.reopen(),
            Event::HandOver => self.hand_over(),
            Event::SuccessorReady => self.handed_over(),
            Event::SuccessorFailed { why } => self.hand_over_failed(why),
            Event::Tick => self.tick(),
        }
        self.settle();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let of_processes = self.processes.values().filter_map(|process| self.overdue_at(process));
        let of_slots = self.slots.iter().filter_map(|slot| slot.respawn_at);
        of_processes.chain(of_slots).min()
    }

    /// All processes there are.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = |(id, process): (&WorkerId, &Process)| {
            let slot = self.slots.get(process.slot);
            Seen {
                id: *id,
                slot: process.slot,
                generation: process.generation,
                stage: process.stage,
                started: process.started,
                restarts: slot.map_or(0, |slot| slot.restarts),
                last_end: slot.and_then(|slot| slot.last_end.clone()),
            }
        };
        self.processes.iter().map(seen).collect()
    }

    /// How many workers are wanted.
    pub(crate) fn workers(&self) -> usize {
        self.slots.iter().filter(|slot| slot.leaving.is_none()).count()
    }

    /// The newest program that all workers run.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// The slots whose sockets are to be watched until nothing waits on them.
    pub(crate) fn draining_slots(&self) -> impl Iterator<Item = usize> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.leaving == Some(Leaving::Queue))
            .map(|(number, _)| number)
    }

    pub(crate) fn is_booting(&self) -> bool {
        self.phase == Phase::Booting
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_) | Phase::Ended)
    }

    pub(crate) fn is_reloading(&self) -> bool {
        self.reload.is_some()
    }

    pub(super) fn spawn(&mut self, slot: usize, generation: u32) -> WorkerId {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        let stage = Stage::Starting { since: self.now };
        let process =
            Process { slot, generation, stage, started: self.now, alive: self.now, said: None, killed: None };
        self.processes.insert(id, process);
        self.actions.push(Action::Spawn { id, slot, generation });
        id
    }

    pub(super) fn spawn_current(&mut self, slot: usize) {
        let generation = self.slots[slot].generation;
        let id = self.spawn(slot, generation);
        self.slots[slot].current = Some(id);
        self.slots[slot].respawn_at = None;
    }

    pub(super) fn tell(&mut self, note: Note) {
        self.actions.push(Action::Tell(note));
    }

    pub(super) fn kill(&mut self, id: WorkerId, why: Kill) {
        if let Some(process) = self.processes.get_mut(&id).filter(|process| process.killed.is_none()) {
            process.killed = Some(why);
            self.actions.push(Action::Kill { id });
        }
    }

    /// Has a worker finish, or kills it where it has not begun.
    pub(super) fn dismiss(&mut self, id: WorkerId) {
        let until = self.now.saturating_add(self.policy.graceful_deadline);
        match self.processes.get_mut(&id) {
            Some(Process { stage: Stage::Starting { .. }, .. }) => self.kill(id, Kill::Wanted),
            Some(process) if matches!(process.stage, Stage::Ready { .. }) => {
                process.stage = Stage::Draining { until };
                self.actions.push(Action::Drain { id });
            }
            _ => {}
        }
    }

    pub(super) fn chance(&mut self) -> u64 {
        // splitmix64, by Sebastiano Vigna: https://prng.di.unimi.it/splitmix64.c
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn ready(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Stage::Starting { since } = process.stage else { return };
        if process.killed.is_some() {
            return;
        }
        process.stage = Stage::Ready { since: self.now };
        process.alive = self.now;
        let (slot, after) = (process.slot, self.now.saturating_sub(since));
        self.tell(Note::Ready { id, slot, after });
        if self.slots[slot].incoming == Some(id) {
            self.swap_in(slot, id);
        }
    }

    fn alive(&mut self, id: WorkerId, beat: Option<bool>) {
        if let Some(process) = self.processes.get_mut(&id).filter(|_| beat != Some(false)) {
            process.alive = self.now;
        }
    }

    fn reopen(&mut self) {
        let ids = self.processes.keys().map(|id| Action::Reopen { id: *id });
        self.actions.extend(ids);
    }

    fn overdue_at(&self, process: &Process) -> Option<Moment> {
        if process.killed.is_some() {
            return None;
        }
        Some(match process.stage {
            Stage::Starting { since } => since.saturating_add(self.policy.ready_timeout),
            Stage::Ready { .. } => process.alive.saturating_add(self.policy.heartbeat_timeout),
            Stage::Draining { until } => until,
        })
    }

    fn tick(&mut self) {
        let overdue: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| self.overdue_at(process).is_some_and(|at| at <= self.now))
            .map(|(id, process)| (*id, process.slot, process.stage))
            .collect();
        for (id, slot, stage) in overdue {
            match stage {
                Stage::Starting { .. } => self.kill(id, Kill::NotReady),
                Stage::Ready { .. } => self.kill(id, Kill::Silent),
                Stage::Draining { .. } => {
                    self.tell(Note::DeadlinePassed { id, slot });
                    self.kill(id, Kill::Wanted);
                }
            }
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].respawn_at.is_some_and(|at| at <= self.now) {
                self.spawn_current(slot);
            }
        }
    }

    pub(super) fn is_serving(&self, slot: &Slot) -> bool {
        let current = slot.current.and_then(|id| self.processes.get(&id));
        current
            .is_some_and(|process| matches!(process.stage, Stage::Ready { .. }) && process.killed.is_none())
    }

    /// What holds after every event.
    fn settle(&mut self) {
        if self.phase == Phase::Booting && self.slots.iter().all(|slot| self.is_serving(slot)) {
            self.phase = Phase::Running;
            self.actions.push(Action::Announce);
        }
        if self.phase == Phase::Running && self.reload_again && self.reload.is_none() {
            self.reload();
        }
        if self.phase == Phase::Running {
            self.let_go();
            self.steer();
        }
        match &self.phase {
            Phase::Stopping(ending) if self.processes.is_empty() => {
                self.actions.push(Action::End(ending.clone()));
                self.phase = Phase::Ended;
            }
            _ => {}
        }
    }

    /// New connections are for workers that serve, as long as there is one.
    fn steer(&mut self) {
        let serving: Vec<_> = (0..self.slots.len())
            .filter(|slot| self.slots[*slot].leaving.is_none() && self.is_serving(&self.slots[*slot]))
            .collect();
        let steered = (serving, self.slots.len());
        if !steered.0.is_empty() && steered != self.steered {
            self.actions.push(Action::Steer { slots: steered.0.clone() });
            self.steered = steered;
        }
    }
}
