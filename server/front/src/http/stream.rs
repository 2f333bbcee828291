//! The connection's bytes, on their way between the socket and hyper.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::progress::Progress;

/// A socket that notes what it comes to, so that nobody has to set an alarm at every step, and that collects answers.
///
/// Short answers are held back until hyper asks for more bytes, for then nothing is left to be answered: many requests that
/// came together are answered together. Hyper's own `pipeline_flush` holds back too long.
pub(super) struct WatchedStream {
    stream: TcpStream,
    progress: Rc<Progress>,
    /// Bytes that hyper has written and the socket has not taken.
    held: Vec<u8>,
    /// Bytes that came while nobody asked for any, because the client was watched.
    ahead: Vec<u8>,
    ended: bool,
    shutdown: Shutdown,
}

/// Longest piece that is held back. A longer one is not worth the copy.
const SHORT: usize = 1024;
/// Most bytes that are held back together.
const MOST_HELD: usize = 16 * 1024;
/// Most bytes of further requests that are read to see whether the client goes. One that sends more is taken for one that stays.
const MOST_AHEAD: usize = 16 * 1024;
/// Most memory that is kept for the next bytes to hold back.
const KEPT: usize = 2 * 1024;

enum Shutdown {
    NotYet,
    Lingering,
    Done,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, progress: Rc<Progress>) -> Self {
        Self {
            stream,
            progress,
            held: Vec::new(),
            ahead: Vec::new(),
            ended: false,
            shutdown: Shutdown::NotYet,
        }
    }

    /// Holds `slices` back if they are short; gives their length.
    fn hold(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length > SHORT || self.held.len() + length > MOST_HELD {
            return None;
        }
        slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
        self.progress.held_back(true);
        Some(length)
    }

    /// Writes what was held back.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let outcome = loop {
            if written == self.held.len() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(context, &self.held[written..]) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(bytes)) => {
                    self.progress.written();
                    written += bytes;
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.progress.write_blocked();
                    break Poll::Pending;
                }
            }
        };
        self.held.drain(..written);
        if self.held.is_empty() {
            self.held.shrink_to(KEPT);
            self.progress.held_back(false);
        }
        outcome
    }

    fn note_write(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Pending => self.progress.write_blocked(),
            Poll::Ready(Ok(_)) => self.progress.written(),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Fails if the client has gone, or sends no more, which looks the same. Otherwise this task is woken when it does.
    fn look_after_client(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [0; 1024];
        while self.ahead.len() < MOST_AHEAD {
            let mut further = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut further) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if further.filled().is_empty() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Poll::Ready(Ok(())) => self.ahead.extend_from_slice(further.filled()),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives what was read ahead, if anything was.
    fn take_ahead(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = self.ahead.len().min(buffer.remaining());
        if length == 0 {
            return false;
        }
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
        self.progress.received();
        true
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
        ready!(self.poll_held(context))?;
        if self.take_ahead(buffer) {
            return Poll::Ready(Ok(()));
        }
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
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(length) = self.hold(slices) {
            return Poll::Ready(Ok(length));
        }
        ready!(self.poll_held(context))?;
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush.
        if self.progress.may_hold_back() {
            return Poll::Ready(Ok(()));
        }
        // Hyper flushes whenever nothing more happens by itself, and reads nothing as long as an answer is awaited.
        if self.progress.watches_client() {
            self.look_after_client(context)?;
        }
        self.poll_held(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Shutdown::NotYet = self.shutdown {
            ready!(self.poll_held(context))?;
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
