//! The master that this one takes over from.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::channel::{Channel, Received, fit};
use crate::message::{SuccessorHello, ToChild, ToMaster};
use crate::socket::{Socket, SocketError};
use crate::worker::name_this_thread;

#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(super) channel: Channel,
    /// Where the program lies, as the first master was called.
    pub(super) program: PathBuf,
    /// Its sockets, slot by slot.
    pub(super) rows: Vec<Vec<Socket>>,
}

impl Predecessor {
    pub(crate) fn of(
        channel: Channel,
        sockets: Vec<OwnedFd>,
        hello: SuccessorHello,
    ) -> Result<Self, SocketError> {
        name_this_thread(&hello.command);
        let mut sockets = sockets.into_iter();
        let row = |count: usize| sockets.by_ref().take(count).map(Socket::from_fd).collect();
        let rows = hello.rows.iter().copied().map(row).collect::<Result<_, _>>()?;
        Ok(Self { channel, program: hello.program, rows })
    }

    /// The workers of this master are ready.
    pub(super) fn ready(channel: &Channel) {
        // One that is gone needs no word.
        let _ = channel.send(&ToMaster::Ready);
    }

    /// This master is going to end.
    pub(crate) fn failed(channel: &Channel, why: String) {
        let _ = channel.send(&ToMaster::Failed { why: fit(why) });
    }

    /// Whether it has ended.
    pub(super) fn is_gone(channel: &Channel) -> bool {
        !matches!(channel.receive::<ToChild>(), Ok(Received::Message(_) | Received::Nothing))
    }
}
