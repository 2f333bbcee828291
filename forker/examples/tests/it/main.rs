//! Each example is started, asked by a real client, reloaded and stopped.

mod grpc;
mod http;
#[path = "../../../tests/it/service.rs"]
mod service;
mod tls;
mod udp;

use forker::status::State;
use rustix::process::Signal;
use service::Service;

/// What a service is where nothing else is said.
const PROGRAM: &str = env!("CARGO_BIN_EXE_std_net");

/// Starts an example on a free port, and waits until it serves.
fn start(program: &str, flags: &[&str]) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let command = Service::command_by(&folder, flags, &[program]);
    Service::begin(folder, command)
}

/// Replaces its two workers, which has ended when this returns.
#[track_caller]
fn reload(service: &Service) {
    let generation = service.status().generation;
    service.signal(Signal::HUP);
    service.until("a reload", || {
        let status = service.status();
        status.generation > generation && status.state == State::Running && status.workers.len() == 2
    });
}

/// Its end is a good one.
#[track_caller]
fn stop(mut service: Service) {
    service.signal(Signal::TERM);
    assert!(service.ended().success(), "{}", service.log());
}
