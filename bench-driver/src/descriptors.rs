//! Enough file descriptors for the connections of a load, for what loads and for the server alike: they inherit this process's limit.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::order::Load;

/// Beside connections: what programs have open for themselves, be it a thousand plugins.
const OTHERS: u64 = 2048;

/// Raises this process's soft limit, if `load` needs that.
///
/// # Errors
/// The hard limit is lower, with the cure.
pub(crate) fn provide(load: &Load) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    match soft_limit(&limit, connections(load) as u64 + OTHERS)? {
        None => Ok(()),
        raised => Ok(setrlimit(Resource::Nofile, Rlimit { current: raised, maximum: limit.maximum })?),
    }
}

fn connections(load: &Load) -> usize {
    match load {
        Load::Saturate(load) => load.connections,
        Load::ConstantRate(load) => load.connections,
        Load::Once(_) => 1,
        Load::RedisBenchmark(load) => load.connections,
    }
}

/// The soft limit to set, if it has to change. `None` in a limit stands for no limit.
fn soft_limit(limit: &Rlimit, needed: u64) -> io::Result<Option<u64>> {
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(None);
    }
    match limit.maximum {
        Some(maximum) if maximum < needed => Err(io::Error::other(format!(
            "the load needs {needed} open files, and at most {maximum} are allowed; raise that (ulimit -Hn, LimitNOFILE=)"
        ))),
        _ => Ok(Some(needed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_where_it_has_to_be_and_can_be() {
        let cases = [
            (Some(1024), Some(8192), 6144, Ok(Some(6144))),
            (Some(8192), Some(8192), 6144, Ok(None)),
            (Some(1024), None, 6144, Ok(Some(6144))),
            (None, None, 6144, Ok(None)),
            (Some(1024), Some(4096), 6144, Err("needs 6144 open files, and at most 4096 are allowed")),
        ];
        for (current, maximum, needed, expected) in cases {
            let limit = Rlimit { current, maximum };
            match (soft_limit(&limit, needed), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{limit:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        }
    }
}
