//! One worker: a runtime of one thread that accepts on all sockets.

use std::future::{pending, poll_fn};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::thread;

use anyhow::{Context, Result, bail};
use forker::socket::{Address, Socket};
use forker::{Pulse, Stopping, Worker};
use tokio::net::{TcpListener, UdpSocket, UnixListener};
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};
use tracing::{info, warn};

use super::connection::{Connections, GREETING};
use super::fault::{Fault, fault};

/// Serves until the master says that it is enough, and what has begun is finished.
pub(crate) fn serve(mut worker: Worker, fault_file: Option<&Path>) -> Result<()> {
    let fault = fault(fault_file).map_err(anyhow::Error::msg)?;
    match fault {
        Fault::ExitAtBoot => bail!("told to exit at boot"),
        Fault::HangAtBoot => loop {
            thread::park();
        },
        _ => {}
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let connections = Rc::new(Connections::new(worker.stopping()));
        let mut accepting = Vec::new();
        for socket in worker.take_sockets() {
            info!(address = %socket.address(), "listening");
            accepting.push(accept_on(socket, &connections, worker.pulse())?);
        }
        spawn_local(beat(worker.pulse(), worker.heartbeat_interval()));
        // So that beats are expected even if that task never runs.
        worker.pulse().beat();
        worker.ready();
        match fault {
            Fault::ExitWhenReady => bail!("told to exit when ready"),
            Fault::StuckLoop => loop {
                thread::park();
            },
            _ => {}
        }
        worker.stopping().stopped().await;
        if fault == Fault::NeverFinish {
            pending::<()>().await;
        }
        for task in accepting {
            task.await?;
        }
        connections.finished().await;
        Ok(())
    })
}

/// That this task runs shows that connections are served: they share the thread.
async fn beat(pulse: Pulse, interval: std::time::Duration) {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        pulse.beat();
    }
}

fn accept_on(
    socket: Socket,
    connections: &Rc<Connections>,
    pulse: Pulse,
) -> Result<tokio::task::JoinHandle<()>> {
    let connections = Rc::clone(connections);
    Ok(match socket.address() {
        Address::Udp(_) => {
            let socket = UdpSocket::from_std(socket.into_udp_socket()?)?;
            spawn_local(async move { answer_datagrams(&socket, connections.stopping()).await })
        }
        Address::Unix(_) => {
            let listener = UnixListener::from_std(socket.into_unix_listener()?)?;
            spawn_local(accept(connections, pulse, move |context| {
                listener.poll_accept(context).map_ok(|(stream, _)| stream)
            }))
        }
        Address::Tcp(_) => {
            let listener = TcpListener::from_std(socket.into_tcp_listener()?)?;
            spawn_local(accept(connections, pulse, move |context| {
                listener.poll_accept(context).map_ok(|(stream, _)| stream)
            }))
        }
        other => return Err(anyhow::anyhow!("cannot serve on {other}")).context("a kind that is new"),
    })
}

/// Accepts until it is to stop, and then what has waited until now: nobody else may be there to take it.
async fn accept<S>(
    connections: Rc<Connections>,
    pulse: Pulse,
    poll_accept: impl Fn(&mut std::task::Context<'_>) -> Poll<io::Result<S>>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let stopping = connections.stopping();
    let mut stopped = pin!(stopping.stopped());
    loop {
        tokio::select! {
            biased;
            accepted = poll_fn(&poll_accept) => take(accepted, &connections, &pulse).await,
            () = &mut stopped => break,
        }
    }
    while let Poll::Ready(accepted) = poll_fn(|context| Poll::Ready(poll_accept(context))).await {
        take(accepted, &connections, &pulse).await;
    }
}

async fn take<S>(accepted: io::Result<S>, connections: &Rc<Connections>, pulse: &Pulse)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    match accepted {
        Ok(stream) => {
            pulse.accepted(1);
            connections.serve(stream);
        }
        Err(error) => {
            warn!(%error, "cannot accept");
            // Most often there are no descriptors left, and some are given back soon.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

async fn answer_datagrams(socket: &UdpSocket, stopping: Stopping) {
    let mut buffer = [0; 2048];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => if let Ok((_, from)) = received {
                // Whoever cannot be reached has no answer.
                let _ = socket.send_to(GREETING, from).await;
            },
            () = stopping.stopped() => return,
        }
    }
}
