//! What follows from the end of a process.

use std::time::Duration;

use super::machine::{Kill, Phase, Process, Supervisor};
use super::words::{Action, Cause, Death, Ending, Note, Stage, WorkerId};
use crate::exit::Exit;

/// SIGKILL on all architectures of Linux: signal(7).
const SIGKILL: i32 = 9;

impl Supervisor {
    pub(super) fn exited(&mut self, id: WorkerId, exit: Exit) {
        let policy = self.policy.clone();
        self.gone(id, |process| match process.killed {
            Some(Kill::NotReady) => Cause::NotReady(policy.ready_timeout),
            Some(Kill::Silent) => Cause::Silent(policy.heartbeat_timeout),
            Some(Kill::Wanted) | None => Cause::Exited(exit, process.said.clone()),
        });
    }

    /// A process is no more, or never was.
    pub(super) fn gone(&mut self, id: WorkerId, cause: impl FnOnce(&Process) -> Cause) {
        let Some(process) = self.processes.remove(&id) else { return };
        let cause = cause(&process);
        let slot = process.slot;
        let Some(place) = self.slots.get_mut(slot) else { return };
        place.last_end = Some(cause.clone());
        let (was_current, was_incoming) = (place.current == Some(id), place.incoming == Some(id));
        if was_current {
            place.current = None;
        }
        if was_incoming {
            place.incoming = None;
        }
        let death = Death { slot, cause };
        if matches!(process.stage, Stage::Draining { .. }) || process.killed == Some(Kill::Wanted) {
            if let Cause::Exited(exit, _) = death.cause {
                self.tell(Note::Ended { id, slot, exit });
            }
            return;
        }
        match &self.phase {
            Phase::Stopping(_) | Phase::Ended => self.tell(Note::Died { id, death, back_in: None }),
            Phase::Booting if matches!(process.stage, Stage::Starting { .. }) => {
                self.end(Ending::BootFailed(death));
            }
            Phase::Booting | Phase::Running if was_incoming => self.reload_failed(death),
            Phase::Booting | Phase::Running => self.died(id, &process, death),
        }
    }

    fn died(&mut self, id: WorkerId, process: &Process, death: Death) {
        let slot = death.slot;
        let ready_for = match process.stage {
            Stage::Ready { since } => Some(self.now.saturating_sub(since)),
            Stage::Starting { .. } | Stage::Draining { .. } => None,
        };
        let settled = ready_for.is_some_and(|time| time >= self.policy.settled_after);
        let place = &mut self.slots[slot];
        if settled {
            place.deaths_in_a_row = 0;
        }
        place.restarts = place.restarts.saturating_add(1);
        let harmless = match death.cause {
            Cause::Exited(Exit::Signal(SIGKILL), _) => ready_for.is_some(),
            Cause::Exited(Exit::Code(0), _) => settled,
            _ => false,
        };
        if !harmless {
            place.deaths_in_a_row = place.deaths_in_a_row.saturating_add(1);
            self.deaths.push_back((self.now, death.clone()));
        }
        let oldest = self.now.saturating_sub(self.policy.death_window);
        while self.deaths.front().is_some_and(|(at, _)| *at < oldest) {
            self.deaths.pop_front();
        }
        if self.deaths.len() > self.policy.most_deaths(self.slots.len()) {
            self.tell(Note::Died { id, death, back_in: None });
            let deaths = self.deaths.drain(..).map(|(_, death)| death).collect();
            self.end(Ending::TooManyDeaths(deaths));
            return;
        }
        let wait = self.wait_of(slot, harmless);
        self.tell(Note::Died { id, death, back_in: wait });
        match wait {
            Some(Duration::ZERO) => self.spawn_current(slot),
            Some(wait) => self.slots[slot].respawn_at = Some(self.now.saturating_add(wait)),
            None => {}
        }
    }

    /// How long until the slot's next worker; none comes where the one of a reload is on its way.
    fn wait_of(&mut self, slot: usize, harmless: bool) -> Option<Duration> {
        let chance = self.chance();
        let place = &self.slots[slot];
        if place.incoming.is_some() {
            return None;
        }
        Some(if harmless { Duration::ZERO } else { self.policy.wait(place.deaths_in_a_row, chance) })
    }

    /// Stops for a reason of its own: what serves may finish.
    fn end(&mut self, ending: Ending) {
        self.begin_to_stop(ending);
        if self.successor {
            self.successor = false;
            self.actions.push(Action::KillSuccessor);
        }
    }
}
