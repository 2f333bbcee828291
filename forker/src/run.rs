//! The one entry: master or worker.

use std::error::Error as StdError;

use crate::error::Error;
use crate::master::{Hooks, Master, Predecessor, serve};
use crate::message::Hello;
use crate::start::{Started, started};
use crate::worker::Worker;

/// Runs a service. To be called early in `main`, before threads are started, by master and workers alike: a worker is the same program,
/// executed again with the same arguments, and finds out here what it is.
///
/// In the master it returns when the service has ended: `Ok` if it was asked to. In a worker it calls `serve` and ends the
/// process, with code 0, or with 1 if that returns an error.
///
/// The calling thread has to be one that lives as long as the process, such as the main thread: the kernel kills workers when
/// the thread that has started them is gone.
///
/// Should the program start others itself from a worker whose process had threads before this call, it removes
/// `FORKER_STARTED_BY` from their environment; otherwise that is done here.
///
/// # Errors
/// [`Error`] if the master cannot start, or gives up.
pub fn run<W, E>(master: Master, mut hooks: impl Hooks, serve_as_worker: W) -> Result<(), Error>
where
    W: FnOnce(Worker) -> Result<(), E>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    match started()? {
        None => serve(master, &mut hooks, None),
        Some(Started { hello: Hello::Worker(hello), channel, sockets }) => {
            Worker::begin(channel, sockets, &hello)?.run(serve_as_worker)
        }
        Some(Started { hello: Hello::Successor(hello), channel, sockets }) => {
            serve(master, &mut hooks, Some(Predecessor::of(channel, sockets, hello)?))
        }
    }
}
