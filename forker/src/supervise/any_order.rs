//! Whatever happens in whatever order, some things hold.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::exit::Exit;

/// Something that happens to one of the processes there are, or to the master.
#[derive(Debug, Clone)]
enum Turn {
    Ready(usize),
    Beat(usize),
    Dies(usize, Exit),
    NotStarted(usize),
    Drained(usize),
    Passes(u64),
    Asked(Event),
}

fn turn() -> impl Strategy<Value = Turn> {
    let exit =
        prop_oneof![(0..3).prop_map(Exit::Code), prop_oneof![Just(9), Just(11)].prop_map(Exit::Signal)];
    let asked = prop_oneof![
        4 => Just(Event::Reload),
        4 => Just(Event::More),
        4 => Just(Event::Fewer),
        1 => Just(Event::Reopen),
        2 => Just(Event::HandOver),
        2 => Just(Event::SuccessorFailed { why: String::new() }),
    ];
    prop_oneof![
        8 => (0..8_usize).prop_map(Turn::Ready),
        3 => (0..8_usize).prop_map(Turn::Beat),
        5 => (0..8_usize, exit).prop_map(|(which, exit)| Turn::Dies(which, exit)),
        1 => (0..8_usize).prop_map(Turn::NotStarted),
        4 => (0..6_usize).prop_map(Turn::Drained),
        4 => (0..20_000_u64).prop_map(Turn::Passes),
        4 => asked.prop_map(Turn::Asked),
    ]
}

/// The processes that there would be.
#[derive(Debug, Default)]
struct World {
    now: Duration,
    /// Slot, and whether it was ready and not told to end.
    processes: BTreeMap<WorkerId, (usize, bool)>,
    killed: Vec<WorkerId>,
    ended: usize,
    handing_over: bool,
}

impl World {
    fn follow(&mut self, supervisor: &Supervisor, actions: Vec<Action>) {
        for action in actions {
            assert_eq!(self.ended, 0, "nothing is done after the end: {action:?}");
            match action {
                Action::Spawn { id, slot, .. } => {
                    assert!(!supervisor.is_stopping(), "no worker is started at the end");
                    assert_eq!(self.processes.insert(id, (slot, false)), None, "ids are new");
                }
                Action::Drain { id } => {
                    let (slot, serving) = self.processes.get_mut(&id).expect("only of processes there are");
                    *serving = false;
                    let slot = *slot;
                    let another = self.processes.values().any(|(of, serving)| *of == slot && *serving);
                    let leaves = supervisor.is_stopping() || slot >= supervisor.workers();
                    assert!(another || leaves, "a slot that stays always has one that serves");
                }
                Action::Kill { id } => {
                    assert!(self.processes.contains_key(&id) && !self.killed.contains(&id), "killed once");
                    self.killed.push(id);
                }
                Action::Steer { slots } => assert!(!slots.is_empty()),
                Action::Shrink { slots } => {
                    assert!(self.processes.values().all(|(slot, _)| *slot < slots), "sockets are not in use");
                }
                Action::StartSuccessor => self.handing_over = true,
                Action::End(_) => self.ended += 1,
                _ => {}
            }
        }
        // Those that are killed come to their end in a later turn.
        let seen: Vec<_> = supervisor.seen().iter().map(|seen| seen.id).collect();
        assert_eq!(seen, self.processes.keys().copied().collect::<Vec<_>>(), "the list is true");
    }

    fn nth(&self, which: usize) -> Option<WorkerId> {
        self.processes.keys().nth(which % self.processes.len().max(1)).copied()
    }

    fn event(&mut self, turn: Turn) -> Option<Event> {
        Some(match turn {
            Turn::Ready(which) => {
                let id = self.nth(which)?;
                if !self.killed.contains(&id) {
                    self.processes.get_mut(&id)?.1 = true;
                }
                Event::Ready { id }
            }
            Turn::Beat(which) => Event::Alive { id: self.nth(which)?, beat: None },
            Turn::Dies(which, exit) => {
                let id = self.nth(which)?;
                self.processes.remove(&id);
                Event::Exited { id, exit }
            }
            Turn::NotStarted(which) => {
                let id = self.nth(which).filter(|id| !self.processes[id].1)?;
                self.processes.remove(&id);
                Event::NotStarted { id, why: String::new() }
            }
            Turn::Drained(slot) => Event::Drained { slot },
            Turn::Passes(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                Event::Tick
            }
            Turn::Asked(event) => event,
        })
    }
}

fn check(workers: usize, turns: Vec<Turn>) {
    let policy = Policy { most_deaths: Some(20), ..Policy::default() };
    let mut supervisor = Supervisor::new(policy, workers, 1);
    let mut world = World::default();
    let actions = supervisor.start(world.now);
    world.follow(&supervisor, actions);
    for turn in turns {
        if let Some(event) = world.event(turn) {
            let actions = supervisor.handle(world.now, event);
            world.follow(&supervisor, actions);
            if !supervisor.is_stopping() {
                nobody_is_forgotten(&supervisor, &world);
            }
        }
    }
    end(&mut supervisor, &mut world);
}

/// Each slot that stays has a worker, or a time when it gets one.
fn nobody_is_forgotten(supervisor: &Supervisor, world: &World) {
    assert!(supervisor.workers() >= 1);
    for slot in 0..supervisor.workers() {
        let has_worker = world.processes.values().any(|(of, _)| *of == slot);
        assert!(has_worker || supervisor.next_deadline().is_some(), "slot {slot} is forgotten");
    }
}

/// A stop always comes to its end, by the deadline at the latest.
fn end(supervisor: &mut Supervisor, world: &mut World) {
    if world.ended == 0 && !supervisor.is_stopping() {
        let actions = supervisor.handle(world.now, Event::Stop);
        world.follow(supervisor, actions);
    }
    if world.ended == 0 {
        world.now += Policy::default().graceful_deadline;
        let actions = supervisor.handle(world.now, Event::Tick);
        world.follow(supervisor, actions);
        assert_eq!(
            world.killed.iter().filter(|id| world.processes.contains_key(id)).count(),
            world.processes.len()
        );
    }
    for id in world.processes.keys().copied().collect::<Vec<_>>() {
        world.processes.remove(&id);
        let actions = supervisor.handle(world.now, Event::Exited { id, exit: Exit::Signal(9) });
        world.follow(supervisor, actions);
    }
    assert_eq!(world.ended, 1, "it ends once");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_holds_always(workers in 1..4_usize, turns in prop::collection::vec(turn(), 0..120)) {
        check(workers, turns);
    }

    #[test]
    fn what_holds_once_all_are_ready(workers in 1..4_usize, turns in prop::collection::vec(turn(), 0..120)) {
        let ready = (0..workers).map(Turn::Ready);
        check(workers, ready.chain(turns).collect());
    }
}
