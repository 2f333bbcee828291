//! The connection's bytes, on their way between the socket and hyper.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::progress::Progress;

/// A socket that notes what it comes to, so that nobody has to set an alarm at every step.
pub(super) struct WatchedStream {
    stream: TcpStream,
    progress: Rc<Progress>,
    ended: bool,
    shutdown: Shutdown,
}

/// Most bytes that are copied to be written in one piece: for so few that is less work than the system has with several pieces.
const SMALL: usize = 1024;

/// The bytes of all slices, one behind the other, if they fit.
fn join<'a>(slices: &[IoSlice<'_>], into: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut end = 0;
    for slice in slices {
        into.get_mut(end..end + slice.len())?.copy_from_slice(slice);
        end += slice.len();
    }
    Some(&into[..end])
}

enum Shutdown {
    NotYet,
    Lingering,
    Done,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, progress: Rc<Progress>) -> Self {
        Self { stream, progress, ended: false, shutdown: Shutdown::NotYet }
    }

    fn note_write(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Pending => self.progress.write_blocked(),
            Poll::Ready(Ok(_)) => self.progress.written(),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Throws away what the client still sends, until it ends or is cut off.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        loop {
            let mut thrown_away = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut thrown_away)) {
                Ok(()) if !thrown_away.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &outcome {
            Poll::Pending => self.progress.waits_for_bytes(),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => self.progress.received(),
            Poll::Ready(_) => self.ended = true,
        }
        outcome
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut together = [0; SMALL];
        let outcome = match join(slices, &mut together) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(context, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        };
        self.note_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Shutdown::NotYet = self.shutdown {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            let lingers = !self.ended && self.progress.all_written();
            self.shutdown = if lingers { Shutdown::Lingering } else { Shutdown::Done };
        }
        if let Shutdown::Lingering = self.shutdown {
            ready!(self.poll_linger(context));
            self.shutdown = Shutdown::Done;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_are_joined() {
        let long = "x".repeat(SMALL);
        let cases: [(&[&str], Option<&str>); 6] = [
            (&[], Some("")),
            (&["head "], Some("head ")),
            (&["head ", "body", ""], Some("head body")),
            (&[&long], Some(&long)),
            (&[&long, "x"], None),
            (&["head ", &long], None),
        ];
        for (parts, expected) in cases {
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part.as_bytes())).collect();
            assert_eq!(join(&slices, &mut [0; SMALL]), expected.map(str::as_bytes));
        }
    }
}
