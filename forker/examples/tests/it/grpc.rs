//! gRPC.

use forker_examples::{GREET, Greeting, Who};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::service::Service;
use crate::{reload, start, stop};

async fn call(channel: &Channel, path: &'static str, name: &str) -> Result<Greeting, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(path);
    let who = Request::new(Who { name: name.to_owned() });
    let codec: ProstCodec<Who, Greeting> = ProstCodec::default();
    Ok(client.unary(who, path, codec).await?.into_inner())
}

#[tokio::test]
async fn calls_are_answered_before_during_and_after_a_reload() {
    let service = start(env!("CARGO_BIN_EXE_tonic_grpc"), &["--workers", "2"]);
    let endpoint = Channel::from_shared(format!("http://{}", service.tcp())).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let greeting = call(&channel, GREET, "world").await.unwrap();
    assert_eq!(greeting.text, "hello world");
    let pids =
        |service: &Service| service.status().workers.iter().map(|worker| worker.pid).collect::<Vec<_>>();
    assert!(pids(&service).contains(&greeting.worker));
    assert_eq!(call(&channel, GREET, "").await.unwrap_err().code(), Code::InvalidArgument);
    let unknown = call(&channel, "/forker.Greeter/Nothing", "world").await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);

    // The connection is told to go away, and its client takes another.
    let reloading = tokio::task::spawn_blocking(move || {
        reload(&service);
        service
    });
    let mut calls = 0;
    while !reloading.is_finished() {
        let greeted = call(&channel, GREET, "again").await;
        assert_eq!(greeted.map(|greeting| greeting.text).unwrap(), "hello again", "after {calls} calls");
        calls += 1;
    }
    let service = reloading.await.unwrap();
    let later = call(&channel, GREET, "later").await.unwrap();
    assert_ne!(later.worker, greeting.worker);
    assert!(pids(&service).contains(&later.worker));
    // The client's connection is still open, and is closed when it has heard that it is to go away.
    tokio::task::spawn_blocking(move || stop(service)).await.unwrap();
}
