//! File descriptors for plugins: each has one as long as the process lives, that of the sealed copy which it was mapped from.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's soft limit of open files to the hard one. The usual 1024 is there for programs that wait with select(2), and would refuse the
/// thousandth plugin, or leave nothing to listen with.
pub(super) fn provide() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(limit = current, "cannot raise the limit of open files; each plugin takes one");
    }
}
