//! Enough file descriptors for the connections that are allowed.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of the connections and those that are open already: of admin, and what the application opens later.
const OTHERS: u64 = 128;
/// Descriptors of a worker: its socket, its poll set, its alarm.
const OF_A_WORKER: u64 = 8;

/// Raises this process's soft limit as far as the hard limit lets it, if `connections` need that, and warns if it does not suffice.
pub(super) fn provide(connections: usize, workers: usize) {
    let needed = connections as u64 + OF_A_WORKER * workers as u64 + OTHERS + open();
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = soft_limit(&limit, needed) else { return };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    if raised.is_err() || wanted < needed {
        tracing::warn!(
            limit = wanted,
            needed,
            "the limit of open files is too low for --max-connections; raise it (ulimit -Hn, LimitNOFILE=), or further \
             connections will wait"
        );
    }
}

/// How many this process has, such as one for each plugin; 0 where that cannot be known.
fn open() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |all| all.count() as u64)
}

/// The soft limit to set, if it has to change. None stands for no limit.
fn soft_limit(limit: &Rlimit, needed: u64) -> Option<u64> {
    let current = limit.current.filter(|current| *current < needed)?;
    Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)).max(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_allowed() {
        let cases = [
            (Some(1024), Some(4096), 1000, None),
            (Some(1024), Some(4096), 2000, Some(2000)),
            (Some(1024), Some(4096), 9000, Some(4096)),
            (Some(1024), Some(1024), 9000, Some(1024)),
            (Some(1024), None, 9000, Some(9000)),
            (None, None, 9000, None),
        ];
        for (current, maximum, needed, expected) in cases {
            let limit = Rlimit { current, maximum };
            assert_eq!(soft_limit(&limit, needed), expected, "{limit:?} {needed}");
        }
    }
}
