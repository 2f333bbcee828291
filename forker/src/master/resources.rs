//! What a master may use.

use rustix::process::{Resource, getrlimit};
use rustix::thread::sched_getaffinity;

use super::Master;
use crate::error::Error;
use crate::socket::Strategy;

/// The standard ones, the program, signals, the status and a few for moments.
const BESIDE: u64 = 24;

/// Refuses at once what would fail in the middle.
pub(super) fn check_descriptors(master: &Master) -> Result<(), Error> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = needed(master.workers, master.addresses.len(), master.strategy);
    if needed > limit {
        return Err(Error::TooFewDescriptors { workers: master.workers, needed, limit });
    }
    Ok(())
}

fn needed(workers: usize, addresses: usize, strategy: Strategy) -> u64 {
    let sockets = if strategy == Strategy::ReusePort { workers.saturating_mul(addresses) } else { addresses };
    // One channel a worker.
    u64::try_from(sockets.saturating_add(workers)).unwrap_or(u64::MAX).saturating_add(BESIDE)
}

/// The core of a slot: one after the other of those that this process may use.
pub(super) fn core(slot: usize) -> Option<usize> {
    let allowed = sched_getaffinity(None).ok()?;
    let cores: Vec<_> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    cores.get(slot.checked_rem(cores.len())?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_channels_are_counted() {
        assert_eq!(needed(4, 2, Strategy::ReusePort), 4 * 2 + 4 + BESIDE);
        assert_eq!(needed(4, 2, Strategy::Inherit), 2 + 4 + BESIDE);
        assert!(needed(usize::MAX, 2, Strategy::ReusePort) >= u64::MAX - 1);
    }

    #[test]
    fn slots_go_round_the_cores() {
        let cores = (0..).map(core).take_while(Option::is_some).take(1024);
        let cores: Vec<_> = cores.flatten().collect();
        let again = cores.iter().skip(1).position(|core| *core == cores[0]).unwrap() + 1;
        assert_eq!(cores[1], cores[again + 1]);
    }
}
