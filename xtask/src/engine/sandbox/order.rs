//! What is said over the socket between xtask, supervisor and init: a length, then JSON.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::engine::{Exit, Mount};

/// A message is a command line and an environment, never bulk.
const MESSAGE_LIMIT: usize = 16 << 20;

/// What shall be run, with what around it. The bytes of its stdin follow it on the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// What the program sees as `/`; `None` is an empty folder.
    pub(super) rootfs: Option<PathBuf>,
    /// The program and its arguments; empty to make the surroundings and start nothing.
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: PathBuf,
    /// Sources are absolute and free of symbolic links.
    pub(super) mounts: Vec<Mount>,
    /// A static emulator to register for aarch64 programs in the sandbox's own binfmt_misc.
    pub(super) emulator: Option<PathBuf>,
    pub(super) stdin_len: usize,
    pub(super) deadline: Duration,
}

/// From the supervisor to xtask.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Up {
    /// The user namespace is made by root and waits for xtask, which is still outside, to map all IDs into it.
    NeedsIdMaps,
    /// The last message.
    Report(Report),
}

/// From xtask to the supervisor, in answer to [`Up::NeedsIdMaps`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IdMapsWritten;

/// How an order ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program ran.
    Ended(Exit),
    /// The program could not be started.
    Failed(Fault),
}

impl Order {
    /// An order that starts nothing, to see whether the kernel allows the rest.
    pub(super) fn rehearsal(emulator: Option<PathBuf>) -> Order {
        Order {
            rootfs: None,
            argv: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            mounts: Vec::new(),
            emulator,
            stdin_len: 0,
            deadline: Duration::from_secs(20),
        }
    }
}

/// Writes one message.
pub(super) fn send(to: &mut UnixStream, message: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(message).context("cannot encode a sandbox message")?;
    ensure!(json.len() <= MESSAGE_LIMIT, "a sandbox message of {} bytes is too long", json.len());
    let mut frame = u32::try_from(json.len())?.to_le_bytes().to_vec();
    frame.extend(json);
    to.write_all(&frame).context("the other end of the sandbox socket is gone")
}

/// Reads one message.
pub(super) fn receive<T: DeserializeOwned>(from: &mut UnixStream) -> Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length).context("the other end of the sandbox socket ended without a message")?;
    let length = usize::try_from(u32::from_le_bytes(length))?;
    ensure!(length <= MESSAGE_LIMIT, "a sandbox message of {length} bytes is too long");
    let mut json = vec![0; length];
    from.read_exact(&mut json).context("the other end of the sandbox socket ended within a message")?;
    serde_json::from_slice(&json).context("cannot decode a sandbox message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let order = Order {
            argv: vec![OsString::from_vec(b"/bin/\xff".to_vec())],
            env: vec![("A".into(), "b=c".into())],
            ..Order::rehearsal(Some("/emulator".into()))
        };
        send(&mut ours, &order).unwrap();
        assert_eq!(receive::<Order>(&mut theirs).unwrap(), order);
    }

    #[test]
    fn a_lost_or_wild_peer_is_an_error() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert!(receive::<Order>(&mut theirs).unwrap_err().to_string().contains("too long"));
        drop(ours);
        assert!(receive::<Order>(&mut theirs).unwrap_err().to_string().contains("without a message"));
    }
}
