//! Connections: one request after the other, and an end that loses none.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forker::Stopping;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

pub(crate) const GREETING: &[u8] = b"greeting!!!";

/// How long a connection that has not sent its first request may take for it when the worker is to stop: it was made before, and
/// its request may be on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// All connections of a worker.
pub(crate) struct Connections {
    stopping: Stopping,
    /// Becomes true when the worker is to stop. Each connection has a receiver, so that it is closed when all have ended.
    stop: watch::Sender<bool>,
}

impl Connections {
    pub(crate) fn new(stopping: Stopping) -> Self {
        Self { stopping, stop: watch::Sender::new(false) }
    }

    pub(crate) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    pub(crate) fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        spawn_local(serve(stream, self.stop.subscribe()));
    }

    /// Has connections end after their current request, and waits for them.
    pub(crate) async fn finished(&self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

async fn serve<S>(stream: S, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let asked = Rc::new(Cell::new(false));
    let service = service_fn({
        let (asked, stop) = (Rc::clone(&asked), stop.clone());
        move |_: Request<_>| {
            asked.set(true);
            let response = greeting(*stop.borrow());
            async { Ok::<_, Infallible>(response) }
        }
    });
    let connection = http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(ClosedWhole(stream)), service);
    let mut connection = pin!(connection);
    // An error is that of a client, which is gone.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if asked.get() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    } else {
        // hyper would close it, although its request may be on its way.
        let _ = timeout(FIRST_REQUEST, connection).await;
    }
}

/// A stream that is not shut down before it is closed: hyper drops it right after, which does the same in one system call less.
struct ClosedWhole<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for ClosedWhole<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClosedWhole<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn greeting(last: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(GREETING)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
