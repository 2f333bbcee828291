//! gRPC with tonic, without generated code: the messages are in this package's `pb`, and what `protoc` would write for the service is [`Greeter`].

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use clap::Parser;
use forker::{Error, Worker};
use forker_examples::{Flags, GREET, Greeting, Served, Who, beat};
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_prost::ProstCodec;
use tower_service::Service;

fn main() -> Result<(), Error> {
    forker::run(Flags::parse().master("tonic_grpc"), (), serve)
}

fn serve(worker: Worker) -> Served {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(accept(worker))
}

async fn accept(mut worker: Worker) -> Served {
    let listener = TcpListener::from_std(worker.take_sockets().remove(0).into_tcp_listener()?)?;
    let (stopping, pulse) = (worker.stopping(), worker.pulse());
    let connections = TcpIncoming::from(listener).map(|connection| {
        pulse.accepted(1);
        connection
    });
    beat(&worker);
    worker.ready();
    // tonic's end: GOAWAY to each connection, and an answer to every call that came before it (RFC 9113 section 6.8). Clients make their
    // next calls on another connection, which is another worker's.
    let server = Server::builder().add_service(Greeter);
    Ok(server.serve_with_incoming_shutdown(connections, stopping.stopped()).await?)
}

/// The service `forker.Greeter`.
#[derive(Clone)]
struct Greeter;

/// Its one method.
impl UnaryService<Who> for Greeter {
    type Response = Greeting;
    type Future = std::future::Ready<Result<tonic::Response<Greeting>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Who>) -> Self::Future {
        let name = request.into_inner().name;
        std::future::ready(if name.is_empty() {
            Err(tonic::Status::invalid_argument("nobody to greet"))
        } else {
            Ok(tonic::Response::new(Greeting { text: format!("hello {name}"), worker: std::process::id() }))
        })
    }
}

impl NamedService for Greeter {
    const NAME: &'static str = "forker.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != GREET {
                return Ok(tonic::Status::unimplemented("no such method").into_http());
            }
            Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await)
        })
    }
}
