//! HTTP/1.1 with hyper, from a runtime of one thread in each worker.

use std::convert::Infallible;

use clap::Parser;
use forker::{Error, Worker};
use forker_examples::{Flags, Served, beat, serve_http};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn main() -> Result<(), Error> {
    forker::run(Flags::parse().master("hyper_http"), (), serve)
}

fn serve(worker: Worker) -> Served {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(accept(worker))
}

async fn accept(mut worker: Worker) -> Served {
    let listener = TcpListener::from_std(worker.take_sockets().remove(0).into_tcp_listener()?)?;
    let (stopping, pulse) = (worker.stopping(), worker.pulse());
    let mut connections = JoinSet::new();
    beat(&worker);
    worker.ready();
    loop {
        tokio::select! {
            // First whoever waits, then the end: nobody else may be there to take them.
            biased;
            accepted = listener.accept() => {
                pulse.accepted(1);
                connections.spawn(serve_http(accepted?.0, service_fn(answer), stopping.clone()));
            }
            () = stopping.stopped() => break,
        }
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
    }
    connections.join_all().await;
    Ok(())
}

async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(format!("hyper_http {}\n", std::process::id())))
}
