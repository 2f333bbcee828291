//! HTTP/1.1 with axum's router. `axum::serve` would do, too, but for what `serve_http` says of a graceful end.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use clap::Parser;
use forker::{Error, Worker};
use forker_examples::{Flags, Served, beat, serve_http};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn main() -> Result<(), Error> {
    forker::run(Flags::parse().master("axum_http"), (), serve)
}

fn serve(worker: Worker) -> Served {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(accept(worker))
}

async fn accept(mut worker: Worker) -> Served {
    let application: Router = Router::new()
        .route("/", get(async || format!("axum_http {}\n", std::process::id())))
        .route("/greet/{name}", get(async |Path(name): Path<String>| format!("hello {name}\n")));
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
                let service = TowerToHyperService::new(application.clone());
                connections.spawn(serve_http(accepted?.0, service, stopping.clone()));
            }
            () = stopping.stopped() => break,
        }
        while connections.try_join_next().is_some() {}
    }
    connections.join_all().await;
    Ok(())
}
