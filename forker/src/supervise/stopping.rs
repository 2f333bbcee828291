//! The end of a master, and its handing over to another.

use super::machine::{Kill, Phase, Supervisor};
use super::words::{Action, Ending, Note, WorkerId};

impl Supervisor {
    /// Once: everybody finishes. Twice: at once.
    pub(super) fn stop(&mut self) {
        if self.is_stopping() {
            return self.quit();
        }
        self.give_up_successor();
        self.begin_to_stop(Ending::Asked);
    }

    pub(super) fn quit(&mut self) {
        self.give_up_successor();
        if !self.is_stopping() {
            self.phase = Phase::Stopping(Ending::Asked);
        }
        self.forget_plans();
        if !self.processes.is_empty() {
            self.tell(Note::Killing { workers: self.processes.len() });
        }
        for id in self.ids() {
            self.kill(id, Kill::Wanted);
        }
    }

    pub(super) fn hand_over(&mut self) {
        let refused = |because| Note::Refused { asked: "to hand over", because };
        if self.phase == Phase::Booting {
            self.tell(refused("the workers are not ready yet"));
        } else if self.is_stopping() {
            self.tell(refused("the master is stopping"));
        } else if self.successor {
            self.tell(refused("it is being done"));
        } else if self.reload.is_some() {
            self.tell(refused("a reload is going on"));
        } else {
            self.successor = true;
            self.tell(Note::HandingOver);
            self.actions.push(Action::StartSuccessor);
        }
    }

    pub(super) fn handed_over(&mut self) {
        if std::mem::take(&mut self.successor) && !self.is_stopping() {
            self.tell(Note::HandedOver);
            self.begin_to_stop(Ending::HandedOver);
        }
    }

    pub(super) fn hand_over_failed(&mut self, why: String) {
        if std::mem::take(&mut self.successor) {
            self.tell(Note::HandOverFailed { why });
        }
    }

    pub(super) fn begin_to_stop(&mut self, ending: Ending) {
        self.phase = Phase::Stopping(ending);
        self.forget_plans();
        self.tell(Note::Stopping { workers: self.processes.len() });
        for id in self.ids() {
            self.dismiss(id);
        }
    }

    fn give_up_successor(&mut self) {
        if std::mem::take(&mut self.successor) {
            self.actions.push(Action::KillSuccessor);
        }
    }

    fn forget_plans(&mut self) {
        self.reload = None;
        self.reload_again = false;
        for slot in &mut self.slots {
            slot.respawn_at = None;
        }
    }

    fn ids(&self) -> Vec<WorkerId> {
        self.processes.keys().copied().collect()
    }
}
