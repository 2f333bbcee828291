//! A cache with a factory for each mood: one that keeps values, and what else a cache may do instead.
//!
//! `fib-demo --cache-plugin-path target/debug/libmoody_cache.so --cache-plugin-factory-name silent`
#![forbid(unsafe_code)]

use plugin_sdk::{Acknowledgement, Cache, Error, Lookup, Plugin, Setup};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Keeps values for ever and answers at once.
struct Keeps(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

/// The same, but answers later: after as many milliseconds as its settings say.
struct Late {
    kept: Keeps,
    delay: Duration,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Answers nothing while it lives.
#[derive(Default)]
struct Silent {
    lookups: Mutex<Vec<Lookup>>,
    acknowledgements: Mutex<Vec<Acknowledgement>>,
}

/// Fails each call.
struct Fails;

/// Has a value for each key, and it is none that anybody put there.
struct Garbles;

/// Panics in each call.
struct Panics;

/// Keeps values and never ends.
struct Stays(Keeps);

plugin_sdk::export_plugin! {
    name: "moody",
    cache: {
        "keeps" => Keeps, "late" => Late, "silent" => Silent, "fails" => Fails, "garbles" => Garbles, "panics" => Panics, "stays" => Stays,
    }
}

impl Plugin for Keeps {
    fn create(_setup: &Setup<'_>) -> Result<Keeps, Error> {
        Ok(Keeps(Mutex::default()))
    }
}

impl Cache for Keeps {
    fn get(&self, key: &[u8], lookup: Lookup) {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            Some(value) => lookup.hit(value),
            None => lookup.miss(),
        }
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        _time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec(), value.to_vec());
        acknowledgement.done();
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key) {
            Some(_) => acknowledgement.done(),
            None => acknowledgement.not_found(),
        }
    }
}

impl Plugin for Late {
    fn create(setup: &Setup<'_>) -> Result<Late, Error> {
        let text = setup.config_text()?;
        let milliseconds = text.parse().map_err(|_| {
            Error::invalid(format!("`{text}` are no milliseconds; write a number, such as 20"))
        })?;
        Ok(Late {
            kept: Keeps::create(setup)?,
            delay: Duration::from_millis(milliseconds),
            threads: Mutex::default(),
        })
    }
}

impl Cache for Late {
    fn get(&self, key: &[u8], lookup: Lookup) {
        let value = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        self.later(move || match value {
            Some(value) => lookup.hit(&value),
            None => lookup.miss(),
        });
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        _time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec(), value.to_vec());
        self.later(move || acknowledgement.done());
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        self.kept.remove(key, acknowledgement);
    }
}

impl Late {
    fn later(&self, answer: impl FnOnce() + Send + 'static) {
        let delay = self.delay;
        let thread = thread::spawn(move || {
            thread::sleep(delay);
            answer();
        });
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

impl Drop for Late {
    /// No thread of an instance outlives it.
    fn drop(&mut self) {
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Plugin for Silent {
    fn create(_setup: &Setup<'_>) -> Result<Silent, Error> {
        Ok(Silent::default())
    }
}

impl Cache for Silent {
    fn get(&self, _key: &[u8], lookup: Lookup) {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).push(lookup);
    }

    fn set(
        &self,
        _key: &[u8],
        _value: &[u8],
        _time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledgement);
    }

    fn remove(&self, _key: &[u8], acknowledgement: Acknowledgement) {
        self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledgement);
    }
}

impl Plugin for Fails {
    fn create(_setup: &Setup<'_>) -> Result<Fails, Error> {
        Ok(Fails)
    }
}

impl Cache for Fails {
    fn get(&self, _key: &[u8], lookup: Lookup) {
        lookup.fail(&Error::new("not today"));
    }

    fn set(
        &self,
        _key: &[u8],
        _value: &[u8],
        _time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        acknowledgement.fail(&Error::new("not today"));
    }

    fn remove(&self, _key: &[u8], acknowledgement: Acknowledgement) {
        acknowledgement.fail(&Error::new("not today"));
    }
}

impl Plugin for Garbles {
    fn create(_setup: &Setup<'_>) -> Result<Garbles, Error> {
        Ok(Garbles)
    }
}

impl Cache for Garbles {
    fn get(&self, _key: &[u8], lookup: Lookup) {
        lookup.hit(b"banana");
    }

    fn set(
        &self,
        _key: &[u8],
        _value: &[u8],
        _time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        acknowledgement.done();
    }

    fn remove(&self, _key: &[u8], acknowledgement: Acknowledgement) {
        acknowledgement.done();
    }
}

impl Plugin for Panics {
    fn create(_setup: &Setup<'_>) -> Result<Panics, Error> {
        Ok(Panics)
    }
}

impl Cache for Panics {
    fn get(&self, _key: &[u8], _lookup: Lookup) {
        panic!("out of order")
    }

    fn set(
        &self,
        _key: &[u8],
        _value: &[u8],
        _time_to_live: Option<Duration>,
        _acknowledgement: Acknowledgement,
    ) {
        panic!("out of order")
    }

    fn remove(&self, _key: &[u8], _acknowledgement: Acknowledgement) {
        panic!("out of order")
    }
}

impl Plugin for Stays {
    fn create(setup: &Setup<'_>) -> Result<Stays, Error> {
        Keeps::create(setup).map(Stays)
    }
}

impl Cache for Stays {
    fn get(&self, key: &[u8], lookup: Lookup) {
        self.0.get(key, lookup);
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        self.0.set(key, value, time_to_live, acknowledgement);
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        self.0.remove(key, acknowledgement);
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}
