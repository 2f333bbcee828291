//! As whom the programs run.

use std::io;

use anyhow::{Context, Result};
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, set_thread_groups};

use rustix::process::Gid;

/// Users of the image, as its passwd(5) has them.
pub(crate) const DAEMON_USER: &str = "backend";
pub(crate) const DAEMON_UID: u32 = 990;
/// The group of nginx's workers, to whom the daemon shows what they need.
pub(crate) const WORKERS: &str = "www-data";
pub(crate) const WORKERS_GID: u32 = 33;

/// Who this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Root that can give up its privileges: the daemon and nginx's workers each get a user of their own.
    Root,
    /// Root without the capabilities for that: everything stays as it is.
    BoundRoot,
    /// Some user: everything runs as that.
    User,
}

impl Identity {
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn of_this_process() -> Result<Identity> {
        if !geteuid().is_root() {
            return Ok(Identity::User);
        }
        let sets = capabilities(None).context("cannot ask for this process' capabilities")?;
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::CHOWN;
        Ok(if sets.effective.contains(needed) { Identity::Root } else { Identity::BoundRoot })
    }

    /// nginx's `user`. Without one it would choose `nobody`.
    pub(crate) fn directive(self) -> &'static str {
        match self {
            Identity::Root => "user www-data www-data;",
            Identity::BoundRoot => "user root root;",
            Identity::User => "# No user: this is not started as root.",
        }
    }

    /// Lets this thread, and what it starts, reach what the daemon shows to nginx's workers: root may lack the capability to
    /// go wherever it likes (CAP_DAC_OVERRIDE, capabilities(7)).
    pub(crate) fn join_workers(self) -> Result<()> {
        if self != Identity::Root {
            return Ok(());
        }
        let joined = set_thread_groups(&[Gid::ROOT, Gid::from_raw(WORKERS_GID)]);
        joined.map_err(io::Error::from).context("cannot join the group of nginx's workers")
    }
}
