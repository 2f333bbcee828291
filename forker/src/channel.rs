//! Small messages, and descriptors with them, between a master and the processes that it has started.
//!
//! A pair of SOCK_SEQPACKET sockets keeps messages apart (unix(7)); each is one JSON object. Either end sees when the other is
//! gone, however it went.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer, and what is said in them is cut so that this holds.
const LONGEST: usize = 64 << 10;

/// The kernel takes 253 descriptors with one message: SCM_MAX_FD.
const DESCRIPTORS_AT_ONCE: usize = 250;

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What came.
#[derive(Debug)]
pub(crate) enum Received<T> {
    Message(T),
    /// Nothing yet.
    Nothing,
    /// The other end is gone.
    Closed,
}

impl Channel {
    /// This end, and the other for a child.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The end that a process was given; `None` if the descriptor is something else.
    pub(crate) fn of(descriptor: OwnedFd) -> Option<Self> {
        let is_ours = rustix::net::sockopt::socket_type(&descriptor) == Ok(SocketType::SEQPACKET)
            && rustix::net::sockopt::socket_domain(&descriptor) == Ok(AddressFamily::UNIX);
        is_ours.then_some(Self(descriptor))
    }

    /// Never waits: whoever does not read for long is as good as gone, and another way tells so.
    pub(crate) fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        send(&self.0, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Sends copies of these, in so many messages as that takes.
    pub(crate) fn send_descriptors(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        for some in descriptors.chunks(DESCRIPTORS_AT_ONCE) {
            let message = SendAncillaryMessage::ScmRights(some);
            let mut space = vec![MaybeUninit::uninit(); message.size()];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(message) {
                return Err(io::Error::other("no room for descriptors"));
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            sendmsg(&self.0, &[IoSlice::new(b"+")], &mut control, flags)?;
        }
        Ok(())
    }

    /// The next message, if one is there.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        let mut bytes = vec![0; LONGEST];
        match recv(&self.0, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Ok(Received::Closed),
            Ok((length, _)) => Ok(Received::Message(serde_json::from_slice(&bytes[..length.min(LONGEST)])?)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// As many descriptors as were announced, closed on exec. They are there already.
    pub(crate) fn receive_descriptors(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = Vec::with_capacity(count);
        while descriptors.len() < count {
            let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
            let before = descriptors.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    descriptors.extend(some);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(io::Error::other(
                    "the process may not have so many open files; raise its limit (ulimit -n, LimitNOFILE=)",
                ));
            }
            if descriptors.len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(descriptors)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Cuts a text so that it goes into a message, escapes included.
pub(crate) fn fit(mut text: String) -> String {
    let mut end = LONGEST / 8;
    if text.len() > end {
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_apart_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs).unwrap();
        ours.send(&"one").unwrap();
        ours.send(&"two").unwrap();
        assert!(matches!(theirs.receive::<String>().unwrap(), Received::Message(text) if text == "one"));
        assert!(matches!(theirs.receive::<String>().unwrap(), Received::Message(text) if text == "two"));
        assert!(matches!(theirs.receive::<String>().unwrap(), Received::Nothing));
        drop(ours);
        assert!(matches!(theirs.receive::<String>().unwrap(), Received::Closed));
    }

    #[test]
    fn more_descriptors_than_one_message_takes_arrive_in_order() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs).unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut many = vec![read.as_fd(); 300];
        many.push(write.as_fd());
        ours.send_descriptors(&many).unwrap();
        let received = theirs.receive_descriptors(301).unwrap();
        rustix::io::write(&received[300], b"x").unwrap();
        assert_eq!(rustix::io::read(&received[0], &mut [0; 1]).unwrap(), 1);
    }

    #[test]
    fn what_is_no_channel_is_none() {
        let (read, _write) = rustix::pipe::pipe().unwrap();
        assert!(Channel::of(read).is_none());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(LONGEST);
        let cut = fit(long);
        assert!(cut.ends_with("ä…") && cut.len() < LONGEST / 8 + 8);
        assert_eq!(fit("short".to_owned()), "short");
    }
}
