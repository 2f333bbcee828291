//! The plugins of a running host: versions of each, one of them active, changed by swapping a pointer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use semver::Version;

use crate::slot::{Slot, lock};

/// When a version has panicked too often.
#[derive(Clone, Copy, Debug)]
pub struct FaultPolicy {
    /// So many panics ...
    pub threshold: u32,
    /// ... within this time.
    pub window: Duration,
}

impl Default for FaultPolicy {
    /// Five panics in a minute: a bug that some requests meet, not one request that somebody repeats once.
    fn default() -> Self {
        Self { threshold: 5, window: Duration::from_secs(60) }
    }
}

/// All plugins of a host by name. `I` is what is called: an instance, and what the host keeps with it.
///
/// Calls take no lock and never wait for a change; a version that is swapped out finishes the calls it
/// has, and its instance ends with the last of them.
pub struct Registry<I> {
    slots: Mutex<BTreeMap<String, Arc<Slot<I>>>>,
    policy: FaultPolicy,
    listener: Listener,
}

pub(crate) type Listener = Arc<dyn Fn(&RegistryEvent) + Send + Sync>;

/// What happened to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryEvent {
    /// This version is called from now on.
    Activated {
        /// The plugin.
        plugin: String,
        /// The version.
        version: Version,
        /// The version that was called until now.
        instead_of: Option<Version>,
    },
    /// This version is called no more if another is there.
    Quarantined {
        /// The plugin.
        plugin: String,
        /// The version.
        version: Version,
        /// How often it panicked within the window; `None` if an operator said so.
        panics: Option<u32>,
    },
    /// This version may be called again.
    Released {
        /// The plugin.
        plugin: String,
        /// The version.
        version: Version,
    },
    /// This version is gone.
    Removed {
        /// The plugin.
        plugin: String,
        /// The version.
        version: Version,
    },
}

impl fmt::Display for RegistryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Activated { plugin, version, instead_of: None } => {
                write!(f, "{plugin} {version} is active")
            }
            Self::Activated { plugin, version, instead_of: Some(other) } => {
                write!(f, "{plugin} {version} is active instead of {other}")
            }
            Self::Quarantined { plugin, version, panics: Some(panics) } => {
                write!(f, "{plugin} {version} is in quarantine after {panics} panics")
            }
            Self::Quarantined { plugin, version, panics: None } => {
                write!(f, "{plugin} {version} is in quarantine")
            }
            Self::Released { plugin, version } => write!(f, "{plugin} {version} is out of quarantine"),
            Self::Removed { plugin, version } => write!(f, "{plugin} {version} is gone"),
        }
    }
}

impl<I> Registry<I> {
    /// An empty registry. `listener` is told of every change, on the thread that made it, and must not
    /// change the registry itself.
    pub fn new(policy: FaultPolicy, listener: impl Fn(&RegistryEvent) + Send + Sync + 'static) -> Self {
        Self { slots: Mutex::new(BTreeMap::new()), policy, listener: Arc::new(listener) }
    }

    /// Adds a version of a plugin, replacing an equal one; the newest that is not in quarantine becomes
    /// active. The slot stays the same for all versions of a name.
    pub fn publish(&self, name: &str, version: Version, instance: I) -> Arc<Slot<I>> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(name) {
            slot.publish(version, instance);
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::new(name, version, instance, self.policy, Arc::clone(&self.listener)));
        slots.insert(name.to_owned(), Arc::clone(&slot));
        slot
    }

    /// Removes a version, and with the last one the plugin; says whether it was there. Who holds the slot
    /// of a plugin that is gone still calls its last version: the host has to let go of it.
    pub fn remove(&self, name: &str, version: &Version) -> bool {
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.get(name).cloned() else { return false };
        if slot.retire(version) {
            return true;
        }
        if slot.version() != *version {
            return false;
        }
        slots.remove(name);
        (self.listener)(&RegistryEvent::Removed { plugin: name.to_owned(), version: version.clone() });
        true
    }

    /// The slot of a plugin.
    pub fn slot(&self, name: &str) -> Option<Arc<Slot<I>>> {
        lock(&self.slots).get(name).cloned()
    }

    /// All slots, by name.
    pub fn slots(&self) -> Vec<Arc<Slot<I>>> {
        lock(&self.slots).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use plugin_abi::Status;

    use super::*;
    use crate::call::CallError;
    use crate::slot::{NoOtherVersion, Standing};

    struct Lab {
        registry: Registry<&'static str>,
        events: Arc<Mutex<Vec<String>>>,
    }

    impl Lab {
        fn new(threshold: u32) -> Self {
            let events = Arc::new(Mutex::new(Vec::new()));
            let listener = Arc::clone(&events);
            let policy = FaultPolicy { threshold, window: Duration::from_secs(3_600) };
            let registry = Registry::new(policy, move |event| lock(&listener).push(event.to_string()));
            Self { registry, events }
        }

        fn publish(&self, version: &str, instance: &'static str) -> Arc<Slot<&'static str>> {
            self.registry.publish("ip", version.parse().unwrap(), instance)
        }

        fn events(&self) -> Vec<String> {
            std::mem::take(&mut lock(&self.events))
        }
    }

    fn panic_once(slot: &Slot<&'static str>) {
        let error = CallError { status: Status::PANICKED, message: String::new() };
        assert!(slot.call(|_| Err::<(), _>(error)).is_err());
    }

    #[test]
    fn the_newest_version_is_active_whatever_the_order() {
        let lab = Lab::new(2);
        let slot = lab.publish("1.9.0", "old");
        lab.publish("1.10.0", "new");
        lab.publish("1.10.0-rc.1", "candidate");
        assert_eq!(*slot.instance(), "new");
        assert_eq!(slot.versions().len(), 3);
        assert_eq!(lab.events(), ["ip 1.9.0 is active", "ip 1.10.0 is active instead of 1.9.0"]);
        assert_eq!(slot.call(|instance| Ok(instance.len())), Ok(3));
    }

    #[test]
    fn a_version_that_panics_too_often_gives_way_and_says_so() {
        let lab = Lab::new(2);
        let slot = lab.publish("1.0.0", "old");
        lab.publish("1.1.0", "new");
        lab.events();
        panic_once(&slot);
        assert_eq!(*slot.instance(), "new");
        panic_once(&slot);
        assert_eq!(*slot.instance(), "old");
        assert_eq!(
            lab.events(),
            ["ip 1.1.0 is in quarantine after 2 panics", "ip 1.0.0 is active instead of 1.1.0"]
        );
        // Published anew, it gets a new chance.
        lab.publish("1.1.0", "mended");
        assert_eq!(*slot.instance(), "mended");
    }

    #[test]
    fn the_only_version_stays_and_other_failures_do_not_count() {
        let lab = Lab::new(1);
        let slot = lab.publish("1.0.0", "only");
        let failed = CallError { status: Status::FAILED, message: String::new() };
        assert!(slot.call(|_| Err::<(), _>(failed)).is_err());
        lab.events();
        panic_once(&slot);
        panic_once(&slot);
        assert_eq!(*slot.instance(), "only");
        assert_eq!(lab.events(), ["ip 1.0.0 is in quarantine after 1 panics"]);
    }

    #[test]
    fn panics_outside_the_window_are_forgotten() {
        let lab = Lab::new(2);
        let slot = lab.publish("1.0.0", "old");
        lab.publish("1.1.0", "new");
        let start = Instant::now();
        slot.current().count_panic(start);
        slot.current().count_panic(start + Duration::from_secs(3_601));
        assert_eq!(*slot.instance(), "new");
        slot.current().count_panic(start + Duration::from_secs(3_602));
        assert_eq!(*slot.instance(), "old");
    }

    #[test]
    fn operators_roll_back_and_retire() {
        let lab = Lab::new(2);
        let slot = lab.publish("1.0.0", "first");
        lab.publish("2.0.0", "second");
        lab.publish("3.0.0", "third");
        assert_eq!(slot.roll_back(), Some(Version::new(2, 0, 0)));
        assert_eq!(*slot.instance(), "second");
        assert!(slot.retire(&Version::new(2, 0, 0)));
        assert_eq!(*slot.instance(), "first");
        assert_eq!(slot.roll_back(), None);
        assert!(slot.retire(&Version::new(3, 0, 0)));
        assert!(!slot.retire(&Version::new(1, 0, 0)), "the only one stays");
        assert!(lab.registry.slot("other").is_none());
        assert_eq!(lab.registry.slots().len(), 1);
    }

    #[test]
    fn a_panic_is_not_counted_against_a_successor_of_the_same_version() {
        let lab = Lab::new(1);
        let slot = lab.publish("1.0.0", "old");
        lab.publish("1.1.0", "broken");
        let running = slot.current();
        lab.publish("1.1.0", "mended");
        running.count_panic(Instant::now());
        assert_eq!(*slot.instance(), "mended");
    }

    #[test]
    fn operators_quarantine_and_release() {
        let lab = Lab::new(1);
        let slot = lab.publish("1.0.0", "first");
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(slot.quarantine(&version("1.0.0")), Err(NoOtherVersion));
        lab.publish("2.0.0", "second");
        lab.events();
        assert_eq!(slot.quarantine(&version("2.0.0")), Ok(true));
        assert_eq!(slot.quarantine(&version("3.0.0")), Ok(false));
        let standings: Vec<_> =
            slot.standings().into_iter().map(|(version, _, standing)| (version, standing)).collect();
        assert_eq!(
            standings,
            [(version("1.0.0"), Standing::Active), (version("2.0.0"), Standing::Quarantined)]
        );
        assert!(slot.release(&version("2.0.0")));
        assert!(!slot.release(&version("2.0.0")), "it is out already");
        assert_eq!(
            lab.events(),
            [
                "ip 2.0.0 is in quarantine",
                "ip 1.0.0 is active instead of 2.0.0",
                "ip 2.0.0 is out of quarantine",
                "ip 2.0.0 is active instead of 1.0.0"
            ]
        );
    }

    #[test]
    fn the_last_version_takes_the_plugin_with_it() {
        let lab = Lab::new(1);
        lab.publish("1.0.0", "first");
        lab.publish("2.0.0", "second");
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(lab.registry.remove("ip", &version("2.0.0")));
        assert!(!lab.registry.remove("ip", &version("2.0.0")));
        lab.events();
        assert!(lab.registry.remove("ip", &version("1.0.0")));
        assert!(!lab.registry.remove("ip", &version("1.0.0")));
        assert!(lab.registry.slots().is_empty());
        assert_eq!(lab.events(), ["ip 1.0.0 is gone"]);
    }
}
