//! Rolling reload: slot by slot, a new worker is ready before the old one stops.

use super::machine::{Kill, Phase, Supervisor};
use super::words::{Action, Death, Note, WorkerId};

/// A reload that is going on.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) generation: u32,
    /// The slot whose new worker is awaited.
    pub(super) slot: usize,
}

impl Supervisor {
    /// Asked for while one goes on, or before all workers are ready, it is done afterwards.
    pub(super) fn reload(&mut self) {
        if self.is_stopping() {
            return self.tell(Note::Refused { asked: "to reload", because: "the master is stopping" });
        }
        if self.successor {
            return self.tell(Note::Refused { asked: "to reload", because: "another master takes over" });
        }
        self.reload_again = self.phase == Phase::Booting || self.reload.is_some();
        if self.reload_again {
            return;
        }
        self.newest += 1;
        let generation = self.newest;
        self.reload = Some(Reload { generation, slot: 0 });
        self.tell(Note::ReloadBegun { generation });
        self.actions.push(Action::TakeProgram { generation });
        self.reload_slot();
    }

    /// Starts the new worker of the slot that is due, or finishes.
    fn reload_slot(&mut self) {
        let Some(Reload { generation, slot }) = self.reload else { return };
        let due = self.slots.get(slot).is_some_and(|place| place.leaving.is_none());
        if !due {
            self.reload = None;
            self.generation = generation;
            // Those that are leaving may need a worker once more.
            for place in &mut self.slots[slot..] {
                place.generation = generation;
            }
            self.tell(Note::ReloadDone { generation });
            self.keep_programs();
            return;
        }
        let id = self.spawn(slot, generation);
        let place = &mut self.slots[slot];
        place.incoming = Some(id);
        place.respawn_at = None;
    }

    /// The new worker of a slot is ready.
    pub(super) fn swap_in(&mut self, slot: usize, id: WorkerId) {
        let place = &mut self.slots[slot];
        place.incoming = None;
        let old = place.current.replace(id);
        if let Some(process) = self.processes.get(&id) {
            place.generation = process.generation;
        }
        place.deaths_in_a_row = 0;
        if let Some(old) = old {
            self.dismiss(old);
        }
        if let Some(reload) = self.reload.as_mut().filter(|reload| reload.slot == slot) {
            reload.slot += 1;
            self.reload_slot();
        }
    }

    /// The new worker of a slot did not get ready: all others stay as they are.
    pub(super) fn reload_failed(&mut self, death: Death) {
        let slot = death.slot;
        if let Some(reload) = self.reload.take() {
            self.tell(Note::ReloadFailed { generation: reload.generation, death });
        }
        if self.slots[slot].current.is_none() {
            self.spawn_current(slot);
        }
        self.keep_programs();
    }

    /// Ends a reload whose slot is about to go.
    pub(super) fn take_back(&mut self, slot: usize) {
        if let Some(id) = self.slots[slot].incoming.take() {
            self.kill(id, Kill::Wanted);
        }
        if self.reload.as_ref().is_some_and(|reload| reload.slot == slot) {
            self.reload_slot();
        }
    }

    fn keep_programs(&mut self) {
        let mut generations: Vec<_> = self.slots.iter().map(|slot| slot.generation).collect();
        generations.push(self.generation);
        generations.sort_unstable();
        generations.dedup();
        self.actions.push(Action::KeepPrograms { generations });
    }
}
