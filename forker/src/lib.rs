//! Prefork for servers: a master that starts, watches, reloads and stops one worker process a core.
//!
//! ```no_run
//! use std::io::{ErrorKind, Write};
//!
//! use forker::{Master, Worker};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let master = Master::new("hello").listen("127.0.0.1:8080".parse()?).status("/run/hello.sock");
//!     Ok(forker::run(master, (), serve)?)
//! }
//!
//! fn serve(mut worker: Worker) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let listener = worker.take_sockets().remove(0).into_tcp_listener()?;
//!     let (stopping, pulse) = (worker.stopping(), worker.pulse());
//!     worker.ready();
//!     while forker::wait_for(&listener, &stopping)? {
//!         match listener.accept() {
//!             Ok((mut stream, _)) => {
//!                 pulse.accepted(1);
//!                 // Whoever does not read has no answer.
//!                 let _ = stream.write_all(b"hello\n");
//!             }
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => {}
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What a program has to know:
//!
//! - **Workers are the same program, executed again** with the same arguments; [`run`] finds out which it is in. Nothing is
//!   shared but the sockets, and nothing of a process with threads is forked.
//! - **The master owns the sockets** and keeps them as long as it lives. A worker that dies, is replaced or is reloaded leaves what
//!   waits to be accepted to the next one, which has the same socket.
//! - **A worker is ready when it says so.** Before, it serves nobody, and the worker that it is to replace goes on.
//! - **Workers end with their master**, however it ends: the kernel kills them.
#![allow(
    unsafe_code,
    reason = "prepares a child between fork and exec, and sets socket options that no safe crate has"
)]

mod channel;
mod error;
mod exit;
mod master;
mod message;
mod program;
mod run;
pub mod socket;
mod start;
pub mod status;
mod supervise;
mod worker;

pub use error::Error;
pub use exit::Exit;
pub use master::{Hooks, Master, Spawned, Spawning};
pub use run::run;
pub use start::MarkerError;
pub use supervise::{Cause, Death, Policy};
pub use worker::{Pulse, Stopping, Worker, wait_for};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
