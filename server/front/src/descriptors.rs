//! The limit of open files: one rule for every program that stands on this crate.
//!
//! The soft limit becomes the hard one. The usual soft limit of 1024 is there for programs that wait with select(2), whose sets of descriptors end at
//! that number (`FD_SETSIZE`); nothing here does. Connections and plugins take a descriptor each, and who is refused one drops a client or a plugin.
//! The hard limit is the operator's word (`ulimit -Hn`, systemd's `LimitNOFILE=`) and stays as it is. Processes that this one starts inherit both
//! (getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of the connections and those that are open already: of admin, and what the application opens later.
const OTHERS: u64 = 128;
/// Descriptors of a worker: its socket, its poll set, its alarm.
const OF_A_WORKER: u64 = 8;

/// Raises this process's soft limit of open files to the hard one, and gives the soft limit that holds then; `None` stands for no limit. Warns if the
/// system does not let it. The second time there is nothing to do.
///
/// [`serve`](crate::serve) does it; a program that opens many files before it serves, such as one for each plugin, calls it first.
pub fn raise_limit() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let Some(wanted) = raised(&before) else { return before.current };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        Err(error) => {
            tracing::warn!(limit = before.current, %error, "cannot raise the limit of open files");
            before.current
        }
    }
}

/// Raises the limit, and warns if it does not suffice for so many connections at once.
pub(crate) fn provide(connections: usize, workers: usize) {
    let needed = needed(connections, workers, open());
    if let Some(limit) = raise_limit().filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for --max-connections; raise it (ulimit -Hn, LimitNOFILE=), or further \
             connections will wait"
        );
    }
}

fn needed(connections: usize, workers: usize, open: u64) -> u64 {
    connections as u64 + OF_A_WORKER * workers as u64 + OTHERS + open
}

/// How many this process has, such as one for each plugin; 0 where that cannot be known.
fn open() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |all| all.count() as u64)
}

/// What to set, if something has to change.
fn raised(limit: &Rlimit) -> Option<Rlimit> {
    let Rlimit { current, maximum } = *limit;
    (current != maximum).then_some(Rlimit { current: maximum, maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one_and_that_stays() {
        let cases = [
            ((Some(1024), Some(4096)), Some((Some(4096), Some(4096)))),
            ((Some(1024), None), Some((None, None))),
            ((Some(4096), Some(4096)), None),
            ((None, None), None),
        ];
        for ((current, maximum), expected) in cases {
            let found = raised(&Rlimit { current, maximum });
            assert_eq!(
                found.map(|limit| (limit.current, limit.maximum)),
                expected,
                "{current:?} {maximum:?}"
            );
        }
    }

    #[test]
    fn a_process_may_open_what_it_says_then() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, limit);
        assert_eq!(getrlimit(Resource::Nofile).maximum, maximum);
        assert_eq!(raise_limit(), limit);
    }

    #[test]
    fn connections_workers_and_what_is_open_all_count() {
        assert_eq!(needed(0, 0, 0), 128);
        assert_eq!(needed(1000, 4, 60), 1000 + 32 + 128 + 60);
    }
}
