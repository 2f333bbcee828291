//! Serves the API over HTTP/1 at both of its sockets.
//!
//! Not by `http_front::serve`, since imports and exports are streams of any length and the unix socket tells who its clients are; what is taken from
//! there is the log, the signals and the form of metrics.

use std::convert::Infallible;
use std::net::TcpListener as StdTcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use http_front::Stop;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Peer;
use crate::api::Api;
use crate::sockets::OwnSocket;

/// For a request's head to arrive.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; further ones wait in the system's queue.
const MOST_CONNECTIONS: usize = 1_024;
/// After the system would not give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process is told to stop and its open requests have ended, or `deadline` has passed.
///
/// # Errors
/// If the system does not let the sockets be served.
pub(crate) fn run(
    api: Api,
    unix: OwnSocket,
    tcp: Option<StdTcpListener>,
    deadline: Duration,
    stop: Stop,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let api = Arc::new(api);
    runtime.block_on(async {
        let at_unix = UnixListener::from_std(unix.listener()?)?;
        let at_tcp = tcp.map(TcpListener::from_std).transpose().context("cannot serve the TCP socket")?;
        tracing::info!(path = %unix.path().display(), "the API is served");
        if let Some(at_tcp) = &at_tcp {
            tracing::info!(address = %at_tcp.local_addr()?, "the API is served");
        }
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        accept(&api, at_unix, at_tcp, &places, stop).await;
        // Nobody new comes in; the file goes at once, so that the next daemon can have its name.
        drop(unix);
        let all = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
        if tokio::time::timeout(deadline, places.acquire_many(all)).await.is_err() {
            tracing::warn!("some requests did not end within the deadline");
        }
        anyhow::Ok(())
    })?;
    // Reads of the store that nobody waits for any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

async fn accept(
    api: &Arc<Api>,
    unix: UnixListener,
    tcp: Option<TcpListener>,
    places: &Arc<Semaphore>,
    mut stop: Stop,
) {
    let for_connections = stop.clone();
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        let from_tcp = async {
            match &tcp {
                Some(tcp) => tcp.accept().await,
                None => std::future::pending().await,
            }
        };
        let failed = tokio::select! {
            () = stop.told() => return,
            accepted = unix.accept() => match accepted {
                Ok((stream, _)) => {
                    let peer = Peer::Unix { uid: stream.peer_cred().ok().map(|peer| peer.uid()) };
                    tokio::spawn(converse(Arc::clone(api), stream, peer, for_connections.clone(), place));
                    None
                }
                Err(error) => Some(error),
            },
            accepted = from_tcp => match accepted {
                Ok((stream, address)) => {
                    // Small answers should not wait for more.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(converse(Arc::clone(api), stream, Peer::Tcp(address), for_connections.clone(), place));
                    None
                }
                Err(error) => Some(error),
            },
        };
        if let Some(error) = failed {
            tracing::warn!(error = %error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn converse(
    api: Arc<Api>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    mut stop: Stop,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let api = Arc::clone(&api);
        async move {
            let begin = Instant::now();
            let line = api.access_log.then(|| (request.method().clone(), request.uri().path().to_owned()));
            let response = api.answer(peer, request).await;
            let status = response.status().as_u16();
            api.tally.answered(status);
            if let Some((method, path)) = line {
                let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
                let peer = match peer {
                    Peer::Unix { uid: Some(uid) } => format!("uid:{uid}"),
                    Peer::Unix { uid: None } => "uid:unknown".to_owned(),
                    Peer::Tcp(address) => address.to_string(),
                };
                let duration_ms = format_args!("{milliseconds:.3}");
                tracing::info!(%method, path, status, peer, %duration_ms, "answered");
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.told() => {
            // The answer that is under way is the last one.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = %error, "a connection ended");
    }
}
