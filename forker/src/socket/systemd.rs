//! Sockets that systemd opened: sd_listen_fds(3).

use std::ffi::{OsStr, OsString};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Socket, SocketError};

/// How many there are.
const COUNT: &str = "LISTEN_FDS";
/// Whom they are for.
const PROCESS: &str = "LISTEN_PID";
/// What they are called, with colons between.
const NAMES: &str = "LISTEN_FDNAMES";
/// systemd's hold on a process; not used here, and no business of a worker's.
const PROCESS_HANDLE: &str = "LISTEN_PIDFDID";
/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// The variables that tell of such sockets. Do not hand them to a child.
pub const VARIABLES: [&str; 4] = [COUNT, PROCESS, NAMES, PROCESS_HANDLE];

/// A socket and what its unit calls it (`FileDescriptorName=`, else the unit's name).
#[derive(Debug)]
pub struct Named {
    /// `unknown` if systemd does not say.
    pub name: String,
    /// It belongs to systemd as well, which keeps it open across restarts and removes its file itself.
    pub socket: Socket,
}

/// Why the sockets from systemd cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemdError {
    /// A variable does not hold what sd_listen_fds(3) says.
    #[error("{variable} is `{}`, and {expected} was expected; systemd sets it, so leave it unset elsewhere", .value.to_string_lossy())]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What it holds.
        value: OsString,
        /// In words.
        expected: &'static str,
    },
    /// One of the descriptors is not what is needed.
    #[error("socket `{name}` of systemd: {source}")]
    Socket {
        /// What its unit calls it.
        name: String,
        /// What is wrong with it.
        source: SocketError,
    },
}

/// Takes the sockets that systemd has opened for this process: none if it has not, or if they were for another process, as when a child
/// inherits the variables. The second call gives none.
///
/// The [`VARIABLES`] are removed if the process has one thread only, since others may be reading the environment.
///
/// # Errors
/// [`SystemdError`]. The descriptors before the wrong one are closed.
pub fn take() -> Result<Vec<Named>, SystemdError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let read = read(std::process::id(), std::env::var_os);
    clear();
    let mut taken = Vec::new();
    for (descriptor, name) in read? {
        match open(descriptor) {
            Ok(socket) => taken.push(Named { name, socket }),
            Err(source) => return Err(SystemdError::Socket { name, source }),
        }
    }
    Ok(taken)
}

/// The descriptors and their names.
fn read(
    process: u32,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Result<Vec<(RawFd, String)>, SystemdError> {
    let (Some(meant), Some(count)) = (variable(PROCESS), variable(COUNT)) else {
        return Ok(Vec::new());
    };
    if number::<u32>(PROCESS, &meant, "the number of a process")? != process {
        return Ok(Vec::new());
    }
    let count = number::<u16>(COUNT, &count, "a number of sockets")?;
    let names = variable(NAMES);
    let mut names = names.as_deref().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
    if names.is_empty() {
        names = vec!["unknown"; count.into()].join(":");
    }
    let names: Vec<&str> = names.split(':').filter(|_| count > 0).collect();
    if names.len() != usize::from(count) {
        let value = names.join(":").into();
        return Err(SystemdError::Variable { variable: NAMES, value, expected: "a name for each socket" });
    }
    Ok((FIRST..).zip(names.into_iter().map(str::to_owned)).collect())
}

fn number<T: std::str::FromStr>(
    variable: &'static str,
    value: &OsStr,
    expected: &'static str,
) -> Result<T, SystemdError> {
    let wrong = || SystemdError::Variable { variable, value: value.to_owned(), expected };
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

#[allow(unsafe_code)]
fn open(descriptor: RawFd) -> Result<Socket, SocketError> {
    // SAFETY: asks about a number, which need not be open, and touches no memory.
    if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
        return Err(SocketError::Descriptor { descriptor, why: "is not open" });
    }
    // SAFETY:
    // - it is open;
    // - whoever sets LISTEN_PID to this process says that it gives it these descriptors (sd_listen_fds(3));
    // - `take` comes here once in the life of a process, so it is owned once.
    Socket::from_fd(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[allow(unsafe_code)]
fn clear() {
    let is_alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if !is_alone {
        return;
    }
    for variable in VARIABLES {
        // SAFETY: this is the only thread, so nobody reads the environment meanwhile, or starts another thread that does.
        unsafe { std::env::remove_var(variable) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(variables: &[(&str, &str)]) -> Result<Vec<(RawFd, String)>, String> {
        let lookup = |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        read(42, lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn the_variables_are_read_as_systemd_writes_them() {
        let none = Ok(Vec::new());
        assert_eq!(read_with(&[]), none);
        assert_eq!(read_with(&[(COUNT, "1")]), none);
        assert_eq!(read_with(&[(PROCESS, "43"), (COUNT, "1")]), none, "they are another's");
        assert_eq!(read_with(&[(PROCESS, "42"), (COUNT, "0"), (NAMES, "")]), none);
        let unnamed = Ok(vec![(3, "unknown".to_owned()), (4, "unknown".to_owned())]);
        assert_eq!(read_with(&[(PROCESS, "42"), (COUNT, "2")]), unnamed);
        let named = Ok(vec![(3, "web".to_owned()), (4, "".to_owned()), (5, "admin".to_owned())]);
        assert_eq!(read_with(&[(PROCESS, "42"), (COUNT, "3"), (NAMES, "web::admin")]), named);
    }

    #[test]
    fn variables_that_somebody_set_by_hand_are_pointed_at() {
        for (variables, expected) in [
            (&[(PROCESS, "x"), (COUNT, "1")][..], "LISTEN_PID is `x`"),
            (&[(PROCESS, "42"), (COUNT, "-1")], "LISTEN_FDS is `-1`"),
            (&[(PROCESS, "42"), (COUNT, "99999999999")], "LISTEN_FDS is"),
            (&[(PROCESS, "42"), (COUNT, "2"), (NAMES, "web")], "a name for each socket"),
        ] {
            let error = read_with(variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
