//! Scenes: events at given times, and what is done.

use std::time::Duration;

use super::*;
use crate::exit::Exit;

/// A supervisor with what it has asked for.
struct Scene {
    supervisor: Supervisor,
    now: Moment,
    actions: Vec<Action>,
    /// Those that are there, by slot.
    spawned: Vec<(usize, WorkerId, u32)>,
}

type Moment = Duration;

const SECOND: Duration = Duration::from_secs(1);

impl Scene {
    fn new(policy: Policy, workers: usize) -> Self {
        let mut supervisor = Supervisor::new(policy, workers, 7);
        let actions = supervisor.start(Moment::ZERO);
        let mut scene = Self { supervisor, now: Moment::ZERO, actions: Vec::new(), spawned: Vec::new() };
        scene.note(actions);
        scene
    }

    /// All workers are ready.
    fn running(policy: Policy, workers: usize) -> Self {
        let mut scene = Self::new(policy, workers);
        for slot in 0..workers {
            scene.ready(slot);
        }
        assert!(scene.take().contains(&Action::Announce));
        scene
    }

    fn note(&mut self, actions: Vec<Action>) {
        for action in &actions {
            if let Action::Spawn { id, slot, generation } = action {
                self.spawned.push((*slot, *id, *generation));
            }
        }
        self.actions.extend(actions);
    }

    fn happens(&mut self, event: Event) {
        let actions = self.supervisor.handle(self.now, event);
        self.note(actions);
    }

    /// Time passes, with all deadlines on the way.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.supervisor.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.happens(Event::Tick);
        }
        self.now = until;
        self.happens(Event::Tick);
    }

    /// The newest worker of a slot.
    fn newest(&self, slot: usize) -> WorkerId {
        self.spawned.iter().rfind(|(of, _, _)| *of == slot).unwrap().1
    }

    fn ready(&mut self, slot: usize) {
        let id = self.newest(slot);
        self.happens(Event::Ready { id });
    }

    fn dies(&mut self, id: WorkerId, exit: Exit) {
        self.happens(Event::Exited { id, exit });
    }

    /// What was done since it was asked last, without what people were told.
    fn take(&mut self) -> Vec<Action> {
        let actions = std::mem::take(&mut self.actions);
        actions.into_iter().filter(|action| !matches!(action, Action::Tell(_))).collect()
    }

    fn told(&mut self) -> Vec<Note> {
        let told = |action| if let Action::Tell(note) = action { Some(note) } else { None };
        std::mem::take(&mut self.actions).into_iter().filter_map(told).collect()
    }

    fn pids(&self) -> Vec<u64> {
        self.supervisor.seen().iter().map(|seen| seen.id.0).collect()
    }
}

fn spawn(id: u64, slot: usize, generation: u32) -> Action {
    Action::Spawn { id: WorkerId(id), slot, generation }
}

fn drain(id: u64) -> Action {
    Action::Drain { id: WorkerId(id) }
}

fn kill(id: u64) -> Action {
    Action::Kill { id: WorkerId(id) }
}

fn steer(slots: &[usize]) -> Action {
    Action::Steer { slots: slots.to_vec() }
}

#[test]
fn a_death_is_made_good_at_once_and_the_list_is_true() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.dies(WorkerId(1), Exit::Signal(11));
    assert_eq!(scene.take(), [spawn(2, 1, 1), steer(&[0])]);
    assert_eq!(scene.pids(), [0, 2]);
    scene.ready(1);
    assert_eq!(scene.take(), [steer(&[0, 1])]);
    // The fault of the original: the second one ended its service.
    scene.dies(WorkerId(0), Exit::Signal(9));
    assert_eq!(scene.take(), [spawn(3, 0, 1), steer(&[1])]);
    assert_eq!(scene.pids(), [2, 3]);
}

#[test]
fn a_worker_that_dies_again_waits_longer_and_longer() {
    let mut scene = Scene::running(Policy { most_deaths: Some(100), ..Policy::default() }, 1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        scene.dies(scene.newest(0), Exit::Code(3));
        let before = scene.now;
        if let Some(at) = scene.supervisor.next_deadline().filter(|_| scene.supervisor.seen().is_empty()) {
            scene.pass(at - before);
        }
        waits.push(scene.now - before);
    }
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[1] >= Duration::from_millis(25) && waits[1] <= Duration::from_millis(50));
    assert!(waits[5] >= Duration::from_millis(400));
    assert!(waits[11] >= 5 * SECOND && waits[11] <= 10 * SECOND);
}

#[test]
fn a_worker_that_was_well_comes_back_at_once() {
    let mut scene = Scene::running(Policy::default(), 1);
    for _ in 0..9 {
        scene.pass(SECOND);
        scene.dies(scene.newest(0), Exit::Code(3));
        scene.ready(0);
    }
    assert!(scene.supervisor.seen().len() == 1 && !scene.supervisor.is_stopping());
}

#[test]
fn a_storm_of_sigkill_ends_no_service() {
    let mut scene = Scene::running(Policy::default(), 2);
    for turn in 0..200 {
        let slot = turn % 2;
        scene.dies(scene.newest(slot), Exit::Signal(9));
        scene.ready(slot);
        scene.pass(SECOND / 10);
    }
    assert_eq!(scene.supervisor.seen().len(), 2);
    assert!(!scene.supervisor.is_stopping());
}

#[test]
fn too_many_deaths_end_the_master_with_their_causes() {
    let mut scene = Scene::running(Policy { most_deaths: Some(2), ..Policy::default() }, 2);
    scene.dies(WorkerId(0), Exit::Code(3));
    scene.dies(scene.newest(0), Exit::Signal(6));
    scene.take();
    scene.dies(WorkerId(1), Exit::Code(4));
    // What still serves may finish; nothing was left here.
    let death = |slot, exit| Death { slot, cause: Cause::Exited(exit, None) };
    let deaths = vec![death(0, Exit::Code(3)), death(0, Exit::Signal(6)), death(1, Exit::Code(4))];
    assert_eq!(scene.take(), [Action::End(Ending::TooManyDeaths(deaths))]);
}

#[test]
fn old_deaths_are_forgotten() {
    let policy = Policy { most_deaths: Some(1), death_window: 10 * SECOND, ..Policy::default() };
    let mut scene = Scene::running(policy, 1);
    for _ in 0..5 {
        scene.dies(scene.newest(0), Exit::Code(3));
        scene.pass(SECOND);
        scene.ready(0);
        for _ in 0..10 {
            let id = scene.newest(0);
            scene.happens(Event::Alive { id, beat: None });
            scene.pass(SECOND);
        }
    }
    assert!(!scene.supervisor.is_stopping());
}

#[test]
fn a_boot_that_fails_ends_the_master_with_the_workers_words() {
    let mut scene = Scene::new(Policy::default(), 2);
    scene.ready(0);
    scene.take();
    scene.happens(Event::Said { id: WorkerId(1), why: "no such table".to_owned() });
    scene.dies(WorkerId(1), Exit::Code(1));
    assert_eq!(scene.take(), [drain(0)]);
    scene.dies(WorkerId(0), Exit::Code(0));
    let cause = Cause::Exited(Exit::Code(1), Some("no such table".to_owned()));
    assert_eq!(cause.to_string(), "exit code 1: no such table");
    assert_eq!(scene.take(), [Action::End(Ending::BootFailed(Death { slot: 1, cause }))]);
}

#[test]
fn a_boot_that_hangs_ends_the_master() {
    let mut scene = Scene::new(Policy::default(), 1);
    scene.take();
    scene.pass(29 * SECOND);
    assert_eq!(scene.take(), []);
    scene.pass(SECOND);
    assert_eq!(scene.take(), [kill(0)]);
    scene.dies(WorkerId(0), Exit::Signal(9));
    let death = Death { slot: 0, cause: Cause::NotReady(30 * SECOND) };
    assert_eq!(scene.take(), [Action::End(Ending::BootFailed(death))]);
}

#[test]
fn what_cannot_be_started_is_a_boot_failure_and_later_a_death() {
    let why = || "too many open files".to_owned();
    let mut scene = Scene::new(Policy::default(), 1);
    scene.happens(Event::NotStarted { id: WorkerId(0), why: why() });
    let death = Death { slot: 0, cause: Cause::NotStarted(why()) };
    assert!(scene.take().contains(&Action::End(Ending::BootFailed(death))));

    let mut scene = Scene::running(Policy::default(), 1);
    scene.dies(WorkerId(0), Exit::Code(1));
    scene.happens(Event::NotStarted { id: WorkerId(1), why: why() });
    assert!(!scene.supervisor.is_stopping());
    scene.pass(SECOND);
    assert_eq!(scene.pids(), [2]);
}

#[test]
fn a_silent_worker_is_replaced() {
    let mut scene = Scene::running(Policy::default(), 1);
    scene.pass(9 * SECOND);
    scene.happens(Event::Alive { id: WorkerId(0), beat: None });
    scene.pass(9 * SECOND);
    assert_eq!(scene.take(), []);
    scene.pass(SECOND);
    assert_eq!(scene.take(), [kill(0)]);
    scene.dies(WorkerId(0), Exit::Signal(9));
    assert_eq!(scene.take(), [spawn(1, 0, 1)]);
}

#[test]
fn a_worker_whose_loop_beats_no_more_is_silent_although_it_lives() {
    let mut scene = Scene::running(Policy::default(), 1);
    for second in 0..11 {
        scene.happens(Event::Alive { id: WorkerId(0), beat: Some(second == 0) });
        scene.pass(SECOND);
    }
    assert_eq!(scene.take(), [kill(0)]);
}

#[test]
fn stopping_lets_workers_finish_and_kills_them_at_the_deadline() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Stop);
    assert_eq!(scene.take(), [drain(0), drain(1)]);
    scene.dies(WorkerId(0), Exit::Code(0));
    scene.pass(29 * SECOND);
    assert_eq!(scene.take(), []);
    scene.pass(SECOND);
    assert_eq!(scene.take(), [kill(1)]);
    scene.dies(WorkerId(1), Exit::Signal(9));
    assert_eq!(scene.take(), [Action::End(Ending::Asked)]);
}

#[test]
fn a_second_signal_or_quit_kills() {
    for second in [Event::Stop, Event::Quit] {
        let mut scene = Scene::running(Policy::default(), 1);
        scene.happens(Event::Stop);
        scene.take();
        scene.happens(second);
        assert_eq!(scene.take(), [kill(0)]);
    }
    let mut scene = Scene::running(Policy::default(), 1);
    scene.happens(Event::Quit);
    assert_eq!(scene.take(), [kill(0)]);
    scene.dies(WorkerId(0), Exit::Signal(9));
    assert_eq!(scene.take(), [Action::End(Ending::Asked)]);
}

#[test]
fn a_stop_while_workers_boot_ends_them() {
    let mut scene = Scene::new(Policy::default(), 2);
    scene.ready(0);
    scene.take();
    scene.happens(Event::Stop);
    assert_eq!(scene.take(), [drain(0), kill(1)]);
}

#[test]
fn a_reload_has_each_new_worker_ready_before_the_old_one_ends() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Reload);
    assert_eq!(scene.take(), [Action::TakeProgram { generation: 2 }, spawn(2, 0, 2)]);
    scene.ready(0);
    assert_eq!(scene.take(), [drain(0), spawn(3, 1, 2)]);
    scene.dies(WorkerId(0), Exit::Code(0));
    assert_eq!(scene.take(), []);
    scene.ready(1);
    assert_eq!(scene.take(), [drain(1), Action::KeepPrograms { generations: vec![2] }]);
    scene.dies(WorkerId(1), Exit::Code(0));
    assert_eq!((scene.pids(), scene.supervisor.generation()), (vec![2, 3], 2));
    // From now on a death is made good by the new program.
    scene.dies(WorkerId(3), Exit::Signal(9));
    assert!(scene.take().contains(&spawn(4, 1, 2)));
}

#[test]
fn a_reload_to_a_broken_program_changes_nothing() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Reload);
    scene.happens(Event::NotStarted { id: WorkerId(2), why: "exec format error".to_owned() });
    let notes = scene.told();
    assert!(matches!(&notes[1], Note::ReloadFailed { generation: 2, death } if death.slot == 0), "{notes:?}");
    assert_eq!((scene.pids(), scene.supervisor.generation()), (vec![0, 1], 1));
    scene.dies(WorkerId(0), Exit::Signal(9));
    assert_eq!(scene.take()[0], spawn(3, 0, 1));
    // And the next may succeed.
    scene.happens(Event::Reload);
    assert!(scene.take().contains(&spawn(4, 0, 3)));
}

#[test]
fn a_reload_whose_worker_never_gets_ready_is_given_up() {
    let mut scene = Scene::running(Policy { heartbeat_timeout: 100 * SECOND, ..Policy::default() }, 1);
    scene.happens(Event::Reload);
    scene.take();
    scene.pass(30 * SECOND);
    assert_eq!(scene.take(), [kill(1)]);
    scene.dies(WorkerId(1), Exit::Signal(9));
    assert!(!scene.supervisor.is_reloading());
    assert_eq!(scene.pids(), [0]);
}

#[test]
fn an_old_worker_that_dies_in_a_reload_is_replaced_by_the_new_one_or_again_by_an_old_one() {
    let mut scene = Scene::running(Policy::default(), 1);
    scene.happens(Event::Reload);
    scene.take();
    scene.dies(WorkerId(0), Exit::Signal(11));
    assert_eq!(scene.take(), []);
    scene.dies(WorkerId(1), Exit::Code(1));
    assert_eq!(scene.take()[0], spawn(2, 0, 1));
}

#[test]
fn reloads_that_come_too_early_are_done_afterwards_once() {
    let mut scene = Scene::new(Policy::default(), 1);
    scene.happens(Event::Reload);
    scene.take();
    scene.ready(0);
    assert_eq!(scene.take(), [Action::Announce, Action::TakeProgram { generation: 2 }, spawn(1, 0, 2)]);
    scene.happens(Event::Reload);
    scene.happens(Event::Reload);
    assert_eq!(scene.take(), []);
    scene.ready(0);
    assert!(scene.take().contains(&Action::TakeProgram { generation: 3 }));
    scene.ready(0);
    assert!(!scene.supervisor.is_reloading());
}

#[test]
fn one_more_and_one_fewer() {
    let mut scene = Scene::running(Policy::default(), 1);
    assert_eq!(scene.supervisor.slots_for_more(), 2);
    scene.happens(Event::More);
    // The kernel knows of the new socket already.
    assert_eq!(scene.take(), [spawn(1, 1, 1), steer(&[0])]);
    scene.ready(1);
    assert_eq!(scene.take(), [steer(&[0, 1])]);
    scene.happens(Event::Fewer);
    assert_eq!(scene.take(), [steer(&[0])]);
    assert_eq!(scene.supervisor.draining_slots().collect::<Vec<_>>(), [1]);
    scene.happens(Event::Drained { slot: 1 });
    assert_eq!(scene.take(), [drain(1)]);
    scene.dies(WorkerId(1), Exit::Code(0));
    // Which is all, and the kernel's own way.
    assert_eq!(scene.take(), [Action::Shrink { slots: 1 }, steer(&[0])]);
    scene.happens(Event::Fewer);
    let refused = Note::Refused { asked: "for fewer workers", because: "one has to be left" };
    assert_eq!(scene.told(), [refused]);
}

#[test]
fn a_slot_that_is_leaving_can_stay() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Fewer);
    scene.happens(Event::More);
    assert_eq!(scene.take(), [steer(&[0]), steer(&[0, 1])]);
    scene.happens(Event::Fewer);
    scene.happens(Event::Drained { slot: 1 });
    scene.take();
    // Its worker is ending already.
    scene.happens(Event::More);
    assert_eq!(scene.take(), [spawn(2, 1, 1)]);
    scene.dies(WorkerId(1), Exit::Code(0));
    scene.ready(1);
    assert_eq!(scene.pids(), [0, 2]);
}

#[test]
fn a_worker_that_dies_with_a_queue_to_take_is_replaced() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Fewer);
    scene.take();
    scene.dies(WorkerId(1), Exit::Signal(9));
    assert_eq!(scene.take(), [spawn(2, 1, 1)]);
}

#[test]
fn fewer_in_a_reload_ends_it_where_the_slot_was() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Reload);
    scene.ready(0);
    scene.take();
    scene.happens(Event::Fewer);
    assert_eq!(scene.take(), [kill(3), Action::KeepPrograms { generations: vec![2] }, steer(&[0])]);
    assert_eq!(scene.supervisor.generation(), 2);
}

#[test]
fn a_new_master_takes_over_when_it_is_ready() {
    let mut scene = Scene::running(Policy::default(), 1);
    scene.happens(Event::HandOver);
    assert_eq!(scene.take(), [Action::StartSuccessor]);
    scene.happens(Event::HandOver);
    scene.happens(Event::Reload);
    assert_eq!(scene.take(), []);
    scene.happens(Event::SuccessorReady);
    assert_eq!(scene.take(), [drain(0)]);
    scene.dies(WorkerId(0), Exit::Code(0));
    assert_eq!(scene.take(), [Action::End(Ending::HandedOver)]);
}

#[test]
fn a_new_master_that_fails_leaves_the_old_one_serving() {
    let mut scene = Scene::running(Policy::default(), 1);
    scene.happens(Event::HandOver);
    scene.happens(Event::SuccessorFailed { why: "exit code 1".to_owned() });
    assert!(scene.told().contains(&Note::HandOverFailed { why: "exit code 1".to_owned() }));
    assert!(!scene.supervisor.is_stopping());
    scene.happens(Event::HandOver);
    assert_eq!(scene.take(), [Action::StartSuccessor]);
    scene.happens(Event::Stop);
    assert_eq!(scene.take(), [Action::KillSuccessor, drain(0)]);
}

#[test]
fn all_workers_reopen_their_logs() {
    let mut scene = Scene::running(Policy::default(), 2);
    scene.happens(Event::Reopen);
    let reopen = |id| Action::Reopen { id: WorkerId(id) };
    assert_eq!(scene.take(), [reopen(0), reopen(1)]);
}
