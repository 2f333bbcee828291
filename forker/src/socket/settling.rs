//! When the kernel has finished with packets for which it had chosen a socket before it was told to choose others.
//!
//! It chooses the socket, and puts what comes of the packet where that socket has it (a queue, or the table of half-open connections),
//! within one section of RCU's read side (`ip_protocol_deliver_rcu` and what it calls). However long such a section takes, for instance because
//! the processor was taken from a virtual machine amid it, a grace period that begins after the change ends after it.
//!
//! `MEMBARRIER_CMD_GLOBAL` (membarrier(2)) is how a program without privileges waits for one: the kernel answers it by `synchronize_rcu`. That
//! is no promise of its manual, so where a system does it in another way (a sandbox that plays the kernel), or refuses (processors without
//! ticks, `nohz_full`), what remains is to let time pass.

use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{MembarrierCommand, membarrier};

/// Where the system tells nothing: much longer than packets take, and than a processor is usually taken away.
const LONG_ENOUGH: Duration = Duration::from_millis(100);

/// It has finished with what came before `since`. Waits for that where it can, which takes some milliseconds, at times a few tens.
pub(super) fn is_over(since: Instant) -> bool {
    wait_for_grace_period() || since.elapsed() >= LONG_ENOUGH
}

/// Waits until it has finished with what came before this call: as long as [`is_over`], or a tenth of a second where the system tells nothing.
pub(super) fn wait() {
    if !wait_for_grace_period() {
        thread::sleep(LONG_ENOUGH);
    }
}

fn wait_for_grace_period() -> bool {
    membarrier(MembarrierCommand::Global).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_after_a_while_whatever_the_system_says() {
        let began = Instant::now();
        while !is_over(began) {
            assert!(began.elapsed() < Duration::from_secs(20));
            thread::yield_now();
        }
        wait();
    }
}
