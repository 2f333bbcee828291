//! More and fewer workers. Slots come and go at the end, so that the numbers of the others stay.

use super::machine::{Leaving, Phase, Slot, Supervisor};
use super::words::{Action, Note};

impl Supervisor {
    /// How many slots need sockets if one more worker is asked for. They have to be there before [`Event::More`](super::Event::More).
    pub(crate) fn slots_for_more(&self) -> usize {
        let grows = self.phase == Phase::Running && self.slots.iter().all(|slot| slot.leaving.is_none());
        self.slots.len() + usize::from(grows)
    }

    pub(super) fn more(&mut self) {
        if self.phase != Phase::Running {
            return self.refuse_to_resize();
        }
        let leaving = self.slots.iter().position(|slot| slot.leaving.is_some());
        match leaving {
            // The lowest that is leaving stays.
            Some(slot) => {
                self.slots[slot].leaving = None;
                if self.slots[slot].current.is_none() && self.slots[slot].respawn_at.is_none() {
                    self.slots[slot].generation = self.generation;
                    self.spawn_current(slot);
                }
            }
            None => {
                self.slots.push(Slot { generation: self.generation, ..Slot::default() });
                self.spawn_current(self.slots.len() - 1);
            }
        }
        self.tell(Note::Resized { workers: self.workers() });
    }

    pub(super) fn fewer(&mut self) {
        if self.phase != Phase::Running {
            return self.refuse_to_resize();
        }
        let workers = self.workers();
        if workers < 2 {
            return self.tell(Note::Refused { asked: "for fewer workers", because: "one has to be left" });
        }
        let slot = workers - 1;
        self.slots[slot].leaving = Some(Leaving::Queue);
        self.take_back(slot);
        self.tell(Note::Resized { workers: self.workers() });
    }

    /// What waited on a slot's sockets has been taken.
    pub(super) fn drained(&mut self, slot: usize) {
        let Some(place) = self.slots.get_mut(slot) else { return };
        if place.leaving != Some(Leaving::Queue) {
            return;
        }
        place.leaving = Some(Leaving::Worker);
        place.respawn_at = None;
        if let Some(id) = place.current.take() {
            self.dismiss(id);
        }
    }

    /// Closes what the last slots have listened on, when no process of theirs is left.
    pub(super) fn let_go(&mut self) {
        let before = self.slots.len();
        while let Some(place) = self.slots.last() {
            let last = self.slots.len() - 1;
            let is_used = self.processes.values().any(|process| process.slot == last);
            if place.leaving != Some(Leaving::Worker) || is_used {
                break;
            }
            self.slots.pop();
        }
        if self.slots.len() < before {
            self.actions.push(Action::Shrink { slots: self.slots.len() });
        }
    }

    fn refuse_to_resize(&mut self) {
        let because = if self.phase == Phase::Booting {
            "the first are not ready yet"
        } else {
            "the master is stopping"
        };
        self.tell(Note::Refused { asked: "for another number of workers", because });
    }
}
