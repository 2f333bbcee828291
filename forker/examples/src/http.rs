//! One HTTP/1.1 connection.

use std::pin::pin;
use std::time::Duration;

use forker::Stopping;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a connection may take for its first request when the worker is to stop: that request may be on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// Serves a connection until it ends. When the worker is to stop it ends after the request that is being answered; one that has not asked yet is
/// waited for, two seconds at most. (hyper's graceful shutdown alone, and so `axum::serve`, would close that one, and its client, which was
/// connected, would have no answer.)
pub async fn serve_http<I, S, B>(stream: I, service: S, stopping: Stopping)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (asks, mut asked) = watch::channel(false);
    let service = service_fn(|request| {
        asks.send_replace(true);
        service.call(request)
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // An error of a connection is that of its client, which is gone.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stopping.stopped() => {}
    }
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        _ = timeout(FIRST_REQUEST, asked.wait_for(|asked| *asked)) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
