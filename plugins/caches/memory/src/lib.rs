//! Cache that keeps values in the memory of its process, within bounds, and answers at once.
#![forbid(unsafe_code)]

mod agenda;
mod key;
mod settings;
mod shard;
mod store;

use plugin_sdk::abi::Status;
use plugin_sdk::{Acknowledgement, Cache, Error, Level, Lookup, Plugin, Setup};
use settings::Settings;
use std::time::{Duration, Instant};
use store::Store;

struct Memory {
    store: Store,
    started: Instant,
}

impl Plugin for Memory {
    fn create(setup: &Setup<'_>) -> Result<Memory, Error> {
        let bounds = plugin_settings::read::<Settings>(setup)?.bounds()?;
        let store = Store::new(bounds, setup.host().cores() as usize);
        setup.log().log(
            Level::Info,
            format_args!(
                "keeps at most {} entries and {} KiB in {} shards",
                bounds.entries,
                bounds.bytes / 1024,
                store.shards()
            ),
        );
        Ok(Memory { store, started: Instant::now() })
    }
}

impl Cache for Memory {
    fn get(&self, key: &[u8], lookup: Lookup) {
        // The answer is given outside of every lock, as the host may take its time with it.
        match self.store.get(key, self.now()) {
            Some(value) => lookup.hit(&value),
            None => lookup.miss(),
        }
    }

    fn set(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
        acknowledgement: Acknowledgement,
    ) {
        match self.store.set(key, value, time_to_live, self.now()) {
            Ok(()) => acknowledgement.done(),
            Err(too_large) => {
                acknowledgement.fail(&Error::with_status(Status::LIMIT_EXCEEDED, too_large.to_string()));
            }
        }
    }

    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement) {
        if self.store.remove(key, self.now()) {
            acknowledgement.done();
        } else {
            acknowledgement.not_found();
        }
    }
}

impl Memory {
    /// Nanoseconds since the start; 64 bits of them last for 584 years.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

plugin_sdk::export_plugin! { name: "memory", cache: { "Factory" => Memory } }
