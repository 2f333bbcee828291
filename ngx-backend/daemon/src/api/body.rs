//! Bodies: of answers, whole or a stream; and of requests, within bounds.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::refusal::Refusal;

/// Most bytes of a body that is read whole: an entry of 64 upstreams with the longest paths has 9 KiB.
const LONGEST: usize = 64 * 1024;
/// For a body that is read whole, or a part of a stream, to arrive.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Option<Bytes>),
    /// Parts as they come. An error cuts the connection, so that nobody takes what came for all.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Self {
        Self::Whole(Some(whole.into()).filter(|whole: &Bytes| !whole.is_empty()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(whole) => Poll::Ready(whole.take().map(|whole| Ok(Frame::data(whole)))),
            Self::Stream(parts) => {
                parts.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |whole| whole.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// A request's body, whole.
///
/// # Errors
/// If it is too large, too slow or cut.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match timeout(PATIENCE, Limited::new(body, LONGEST).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body has more than {LONGEST} bytes; POST /import.ndjson takes any number of entries"
            ),
        )),
        Ok(Err(_)) => Err(Refusal::bad("the body ended too early")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}
