//! A cache with two factories, through its tables: every call is answered exactly once.

use crate::host;
use plugin_sdk::abi::{Bytes, CacheTable, Completion, Kind, Status, Text};
use plugin_sdk::{Acknowledgement, Cache, Error, Lookup, Plugin, Setup};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Answers at once, unless the key says otherwise.
struct Memory(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

impl Plugin for Memory {
    fn create(_setup: &Setup<'_>) -> Result<Memory, Error> {
        Ok(Memory(Mutex::new(HashMap::new())))
    }
}

impl Cache for Memory {
    fn get(&self, key: &[u8], lookup: Lookup) {
        match (key, self.0.lock().unwrap().get(key)) {
            (b"panic", _) => panic!("get"),
            (b"forgotten", _) => drop(lookup),
            (b"away", _) => lookup.fail(&Error::unavailable("the store is away")),
            (b"later", _) => drop(thread::spawn(move || lookup.hit(b"at last"))),
            (_, Some(value)) => lookup.hit(value),
            (_, None) => lookup.miss(),
        }
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        let value = match time_to_live {
            Some(time) => {
                format!("{} for {} ms", String::from_utf8_lossy(value), time.as_millis()).into_bytes()
            }
            None => value.to_owned(),
        };
        self.0.lock().unwrap().insert(key.to_owned(), value);
        acknowledgement.done();
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        match self.0.lock().unwrap().remove(key) {
            Some(_) => acknowledgement.done(),
            None => acknowledgement.not_found(),
        }
    }
}

/// Keeps nothing.
struct Nothing;

impl Plugin for Nothing {
    fn create(_setup: &Setup<'_>) -> Result<Nothing, Error> {
        Ok(Nothing)
    }
}

impl Cache for Nothing {
    fn get(&self, _key: &[u8], lookup: Lookup) {
        lookup.miss();
    }

    fn set(&self, _key: &[u8], _value: &[u8], _ttl: Option<Duration>, acknowledgement: Acknowledgement) {
        acknowledgement.done();
    }

    fn remove(&self, _key: &[u8], acknowledgement: Acknowledgement) {
        acknowledgement.not_found();
    }
}

plugin_sdk::export_plugin! {
    name: "two-caches",
    cache: { "Memory" => Memory, "Nothing" => Nothing },
    entry: "dynlab_test_cache",
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: Status,
    value: Vec<u8>,
    message: String,
}

unsafe extern "C" fn done(context: *mut c_void, status: Status, value: Bytes, message: Text) {
    // SAFETY: the context is the boxed sender of `ask`, given to one call that completes once.
    let answers = unsafe { Box::from_raw(context.cast::<Sender<Answer>>()) };
    // SAFETY: the views are lent for this call.
    let (value, message) = unsafe { (value.as_slice().unwrap(), message.as_str().unwrap()) };
    answers.send(Answer { status, value: value.to_owned(), message: message.to_owned() }).unwrap();
}

/// Makes one call and waits for its one answer.
fn ask(call: impl FnOnce(Completion)) -> Answer {
    let (sender, answers) = channel::<Answer>();
    call(Completion { context: Box::into_raw(Box::new(sender)).cast(), done: Some(done) });
    // Ends with an error if the completion was called twice or never: then the sender is gone.
    let answer = answers.recv().unwrap();
    assert!(answers.recv().is_err(), "answered twice");
    answer
}

fn answer(status: Status, value: &[u8], message: &str) -> Answer {
    Answer { status, value: value.to_owned(), message: message.to_owned() }
}

#[test]
fn calls_are_answered_once_and_panics_too() {
    let table: CacheTable = host::table(&PLUGIN, 0);
    let cache = host::create(table.create, b"").unwrap();
    let get = |key: &[u8]| {
        // SAFETY: a live instance, a key that outlives the call; so for all three.
        ask(|completion| unsafe { table.get.unwrap()(cache, Bytes::new(key), completion) })
    };
    let set = |key: &[u8], value: Bytes, ttl| {
        // SAFETY: as above.
        ask(|completion| unsafe { table.set.unwrap()(cache, Bytes::new(key), value, ttl, completion) })
    };
    let remove = |key: &[u8]| {
        // SAFETY: as above.
        ask(|completion| unsafe { table.remove.unwrap()(cache, Bytes::new(key), completion) })
    };
    assert_eq!(get(b"k"), answer(Status::NOT_FOUND, b"", ""));
    assert_eq!(set(b"k", Bytes::new(b"v"), 0), answer(Status::OK, b"", ""));
    assert_eq!(get(b"k"), answer(Status::OK, b"v", ""));
    assert_eq!(set(b"k", Bytes::new(b"v"), 1500), answer(Status::OK, b"", ""));
    assert_eq!(get(b"k"), answer(Status::OK, b"v for 1500 ms", ""));
    assert_eq!(remove(b"k"), answer(Status::OK, b"", ""));
    assert_eq!(remove(b"k"), answer(Status::NOT_FOUND, b"", ""));

    assert_eq!(get(b"later"), answer(Status::OK, b"at last", ""));
    assert_eq!(get(b"away"), answer(Status::UNAVAILABLE, b"", "the store is away"));
    assert_eq!(
        get(b"forgotten"),
        answer(Status::FAILED, b"", "the cache dropped the call without an answer")
    );
    let null = Bytes { ptr: ptr::null(), len: 4 };
    assert_eq!(
        set(b"k", null, 0),
        answer(Status::INVALID_ARGUMENT, b"", "value: null pointer with length 4")
    );
    // Last, because a panic poisons the lock of this cache.
    assert_eq!(get(b"panic"), answer(Status::PANICKED, b"", "the cache panicked before it answered"));
    assert!(host::log_contains("1 get: panicked: get"));
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(cache) };
}

#[test]
fn both_factories_are_there_by_name() {
    let descriptor = PLUGIN.descriptor;
    assert_eq!(descriptor.kind, Kind::Cache.code());
    let names: Vec<_> = (0..descriptor.factory_count)
        // SAFETY: an exported plugin keeps to the contract.
        .map(|index| unsafe { descriptor.factory(index).unwrap().unwrap().name.as_str().unwrap() })
        .collect();
    assert_eq!(names, ["Memory", "Nothing"]);
    let table: CacheTable = host::table(&PLUGIN, 1);
    let cache = host::create(table.create, b"").unwrap();
    // SAFETY: a live instance, a key that outlives the call.
    let answered = ask(|completion| unsafe { table.get.unwrap()(cache, Bytes::new(b"k"), completion) });
    assert_eq!(answered.status, Status::NOT_FOUND);
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(cache) };
}
