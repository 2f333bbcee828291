//! The status of a service, as it is now.

use super::service::Service;
use crate::socket::Strategy;
use crate::status::{State, Status, WorkerState, WorkerStatus};
use crate::supervise::{Seen, Stage};

use super::process_facts;

impl Service<'_> {
    pub(super) fn status_text(&self) -> Vec<u8> {
        // All of it are texts and numbers.
        let mut text = serde_json::to_vec(&self.status_now()).unwrap_or_default();
        text.push(b'\n');
        text
    }

    fn status_now(&self) -> Status {
        let mut workers: Vec<_> =
            self.supervisor.seen().iter().filter_map(|seen| self.worker(seen)).collect();
        workers.sort_by_key(|worker| (worker.slot, worker.generation, worker.pid));
        let accepted: u64 = workers.iter().map(|worker| worker.accepted).sum();
        Status {
            name: self.master.name.clone(),
            pid: std::process::id(),
            state: self.state(),
            generation: self.supervisor.generation(),
            uptime_seconds: self.began.elapsed().as_secs_f64(),
            addresses: self.sockets.addresses().iter().map(ToString::to_string).collect(),
            strategy: match self.sockets.strategy() {
                Strategy::ReusePort => "reuseport",
                Strategy::Inherit => "inherit",
            }
            .to_owned(),
            workers_wanted: self.supervisor.workers(),
            accepted: accepted + self.accepted_before,
            workers,
        }
    }

    fn state(&self) -> State {
        if self.supervisor.is_stopping() {
            State::Stopping
        } else if self.supervisor.is_booting() {
            State::Booting
        } else if self.supervisor.is_reloading() {
            State::Reloading
        } else {
            State::Running
        }
    }

    fn worker(&self, seen: &Seen) -> Option<WorkerStatus> {
        let member = self.team.get(seen.id)?;
        let pid = member.spawned.pid;
        let uptime = self.began.elapsed().saturating_sub(seen.started);
        Some(WorkerStatus {
            slot: seen.slot,
            pid,
            generation: seen.generation,
            state: match seen.stage {
                Stage::Starting { .. } => WorkerState::Starting,
                Stage::Ready { .. } => WorkerState::Ready,
                Stage::Draining { .. } => WorkerState::Draining,
            },
            uptime_seconds: uptime.as_secs_f64(),
            ready_after_seconds: member.ready_after.map(|after| after.as_secs_f64()),
            restarts: seen.restarts,
            last_exit: seen.last_end.as_ref().map(ToString::to_string),
            accepted: member.accepted,
            cpu_seconds: process_facts::cpu_seconds(pid),
            resident_bytes: process_facts::resident_bytes(pid),
        })
    }
}
