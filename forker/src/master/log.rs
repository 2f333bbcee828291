//! Notes of the supervisor as events of `tracing`.

use tracing::{error, info, warn};

use crate::supervise::Note;

/// `pid` is that of the worker that the note is about.
pub(super) fn tell(note: &Note, pid: Option<u32>) {
    let pid = pid.unwrap_or_default();
    match note {
        Note::Ready { slot, after, .. } => {
            info!(worker = slot, pid, after_us = after.as_micros(), "worker ready");
        }
        Note::Ended { slot, exit, .. } => info!(worker = slot, pid, %exit, "worker ended"),
        Note::Died { death, back_in: Some(wait), .. } => {
            let wait_ms = wait.as_millis();
            warn!(worker = death.slot, pid, cause = %death.cause, wait_ms, "worker died, another takes its place");
        }
        Note::Died { death, back_in: None, .. } => {
            warn!(worker = death.slot, pid, cause = %death.cause, "worker died");
        }
        Note::DeadlinePassed { slot, .. } => {
            warn!(worker = slot, pid, "worker did not finish within the deadline, killed");
        }
        Note::ReloadBegun { generation } => info!(generation, "reloading"),
        Note::ReloadDone { generation } => info!(generation, "reloaded"),
        Note::ReloadFailed { generation, death } => {
            error!(
                generation, worker = death.slot, cause = %death.cause,
                "reload failed, the workers that were not replaced go on"
            );
        }
        Note::Resized { workers } => info!(workers, "number of workers changed"),
        Note::Stopping { workers } => info!(workers, "stopping, workers finish"),
        Note::Killing { workers } => warn!(workers, "stopping at once, workers are killed"),
        Note::HandingOver => info!("handing over to a new master"),
        Note::HandedOver => info!("the new master serves"),
        Note::HandOverFailed { why } => error!(why, "handing over failed, this master goes on"),
        Note::Refused { asked, because } => warn!("asked {asked}, which cannot be done: {because}"),
    }
}
