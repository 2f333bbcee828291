//! Cache that keeps values in Redis, over one connection that all calls share.
//!
//! A call only puts itself into a queue. One thread of the plugin's own takes what has gathered there, writes it as one
//! pipeline, and answers from the replies; so the busier the cache, the more calls share a system call.
#![forbid(unsafe_code)]

mod call;
mod gate;
mod serve;
mod settings;
mod worker;

use call::{Answer, Call, Operation};
use gate::Gate;
use plugin_sdk::{Acknowledgement, Cache, Error, Lookup, Plugin, Setup};
use settings::Settings;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

struct Redis {
    prefix: Vec<u8>,
    gate: Arc<Gate>,
    /// `None` only while the instance ends.
    queue: Option<mpsc::UnboundedSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl Plugin for Redis {
    /// Returns when the first attempt to connect has ended, so that a cache that is there works from the first call on.
    fn create(setup: &Setup<'_>) -> Result<Redis, Error> {
        let settings: Settings = plugin_settings::read(setup)?;
        let target = settings.target(|name| std::env::var(name).ok())?;
        let (gate, required) = (Arc::new(Gate::new(settings.most_calls()?)), settings.required);
        let (sender, queue) = mpsc::unbounded_channel();
        let (thread, first) =
            worker::start(target, settings.patience()?, setup.log(), Arc::clone(&gate), queue)?;
        let redis =
            Redis { prefix: settings.prefix.into_bytes(), gate, queue: Some(sender), thread: Some(thread) };
        match first.recv() {
            Ok(Err(reason)) if required => Err(Error::unavailable(reason)),
            _ => Ok(redis),
        }
    }

    fn health(&self) -> Result<(), Error> {
        self.gate.health()
    }
}

impl Cache for Redis {
    fn get(&self, key: &[u8], lookup: Lookup) {
        self.enqueue(Operation::Get { key: self.prefixed(key) }, Answer::Lookup(lookup));
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        let operation = Operation::Set { key: self.prefixed(key), value: value.to_vec(), time_to_live };
        self.enqueue(operation, Answer::Acknowledgement(acknowledgement));
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        self.enqueue(Operation::Remove { key: self.prefixed(key) }, Answer::Acknowledgement(acknowledgement));
    }
}

impl Redis {
    fn prefixed(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    fn enqueue(&self, operation: Operation, answer: Answer) {
        match self.gate.enter() {
            Ok(place) => {
                let call = Call::new(operation, answer, place);
                // A call that cannot be sent answers when it is dropped.
                let _ = self.queue.as_ref().map(|queue| queue.send(call));
            }
            Err(error) => answer.fail(&error),
        }
    }
}

impl Drop for Redis {
    /// Calls that are under way get their answers, or fail at their time-out.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook, and there is nobody else to tell.
            let _ = thread.join();
        }
    }
}

plugin_sdk::export_plugin! { name: "redis", cache: { "Factory" => Redis } }
