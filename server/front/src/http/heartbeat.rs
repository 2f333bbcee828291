//! Whether the threads of a front go round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{MissedTickBehavior, interval};

use crate::settings::Heartbeat;

/// The threads of a front, and which of them have gone round since the last beat.
#[derive(Debug)]
pub(super) struct Rounds {
    heartbeat: Heartbeat,
    gone_round: Vec<AtomicBool>,
}

impl Rounds {
    pub(super) fn of(heartbeat: Heartbeat, threads: usize) -> Arc<Self> {
        Arc::new(Self { heartbeat, gone_round: (0..threads).map(|_| AtomicBool::new(false)).collect() })
    }

    /// Goes round in a task of this thread's runtime, without end.
    pub(super) async fn go(self: Arc<Self>, thread: usize) {
        let mut ticks = interval(self.heartbeat.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.went(thread);
        }
    }

    /// One more round of this thread. Beats if all have one; two threads that see it at once beat twice, which does no harm.
    fn went(&self, thread: usize) {
        self.gone_round[thread].store(true, Ordering::Relaxed);
        if self.gone_round.iter().all(|gone| gone.load(Ordering::Relaxed)) {
            for gone in &self.gone_round {
                gone.store(false, Ordering::Relaxed);
            }
            (self.heartbeat.beat)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_stands_still_is_missed() {
        let beats = Arc::new(AtomicUsize::new(0));
        let count = {
            let beats = Arc::clone(&beats);
            move || {
                beats.fetch_add(1, Ordering::Relaxed);
            }
        };
        let rounds = Rounds::of(Heartbeat::new(Duration::from_secs(1), count), 2);
        let after = |threads: &[usize]| {
            threads.iter().for_each(|thread| rounds.went(*thread));
            beats.load(Ordering::Relaxed)
        };
        assert_eq!(after(&[0, 0, 0]), 0);
        assert_eq!(after(&[1]), 1);
        assert_eq!(after(&[1, 1]), 1);
        assert_eq!(after(&[0, 1, 0]), 3);
    }
}
