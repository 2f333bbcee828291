//! The plugins of a running host: versions of each, one of them active, changed by swapping a pointer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use semver::Version;

use crate::call::CallError;

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

/// All plugins of a host by name. `I` is what is called: an instance.
///
/// Calls take no lock and never wait for a change; a version that is swapped out finishes the calls it
/// has, and its instance ends with the last of them.
pub struct Registry<I> {
    slots: Mutex<BTreeMap<String, Arc<Slot<I>>>>,
    policy: FaultPolicy,
    listener: Listener,
}

type Listener = Arc<dyn Fn(&RegistryEvent) + Send + Sync>;

/// One plugin: the version that is called, and those it can go back to.
pub struct Slot<I> {
    name: String,
    active: ArcSwap<Active<I>>,
    versions: Mutex<Versions<I>>,
    policy: FaultPolicy,
    listener: Listener,
}

/// The version that is called. A pointer more than the instance, so that a call knows whom to blame.
struct Active<I> {
    version: Version,
    instance: Arc<I>,
}

struct Versions<I> {
    kept: BTreeMap<Version, Kept<I>>,
}

struct Kept<I> {
    instance: Arc<I>,
    /// When it panicked, no longer ago than the policy's window.
    panics: Vec<Instant>,
    /// It panicked too often; it is active only if nothing else is there.
    quarantined: bool,
}

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
    /// This version panicked too often and is called no more if another is there.
    Quarantined {
        /// The plugin.
        plugin: String,
        /// The version.
        version: Version,
        /// How often it panicked within the window.
        panics: u32,
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
            Self::Quarantined { plugin, version, panics } => {
                write!(f, "{plugin} {version} is in quarantine after {panics} panics")
            }
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

    /// The slot of a plugin.
    pub fn slot(&self, name: &str) -> Option<Arc<Slot<I>>> {
        lock(&self.slots).get(name).cloned()
    }

    /// All slots, by name.
    pub fn slots(&self) -> Vec<Arc<Slot<I>>> {
        lock(&self.slots).values().cloned().collect()
    }
}

impl<I> Slot<I> {
    fn new(name: &str, version: Version, instance: I, policy: FaultPolicy, listener: Listener) -> Self {
        let instance = Arc::new(instance);
        let kept = Kept { instance: Arc::clone(&instance), panics: Vec::new(), quarantined: false };
        let slot = Self {
            name: name.to_owned(),
            active: ArcSwap::from_pointee(Active { version: version.clone(), instance }),
            versions: Mutex::new(Versions { kept: BTreeMap::from([(version.clone(), kept)]) }),
            policy,
            listener,
        };
        slot.tell(RegistryEvent::Activated { plugin: slot.name.clone(), version, instead_of: None });
        slot
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that is called now.
    pub fn version(&self) -> Version {
        self.active.load().version.clone()
    }

    /// The instance that is called now.
    pub fn instance(&self) -> Arc<I> {
        Arc::clone(&self.active.load().instance)
    }

    /// All versions, the oldest first.
    pub fn versions(&self) -> Vec<Version> {
        lock(&self.versions).kept.keys().cloned().collect()
    }

    /// Calls the active version. A panic is counted against it; past the policy's threshold the slot goes
    /// back to the newest other version, and this very call still fails.
    ///
    /// # Errors
    /// What `call` gives.
    pub fn call<R>(&self, call: impl FnOnce(&I) -> Result<R, CallError>) -> Result<R, CallError> {
        let active = self.active.load();
        let outcome = call(&active.instance);
        if let Err(error) = &outcome {
            if error.is_panic() {
                self.count_panic(&active.version, Instant::now());
            }
        }
        outcome
    }

    /// Goes back to the newest version that is older than the active one, whatever is published; says
    /// which, or `None` if there is no older one. The newer ones are kept, in quarantine.
    pub fn roll_back(&self) -> Option<Version> {
        let mut versions = lock(&self.versions);
        let active = self.active.load().version.clone();
        let (older, _) = versions.kept.range(..&active).next_back()?;
        let older = older.clone();
        for (_, newer) in versions.kept.range_mut(&active..) {
            newer.quarantined = true;
        }
        if let Some(older) = versions.kept.get_mut(&older) {
            older.quarantined = false;
            older.panics.clear();
        }
        self.activate_best(&versions);
        Some(older)
    }

    /// Removes a version, unless it is the only one; says whether it did.
    pub fn retire(&self, version: &Version) -> bool {
        let mut versions = lock(&self.versions);
        if versions.kept.len() < 2 || versions.kept.remove(version).is_none() {
            return false;
        }
        self.activate_best(&versions);
        true
    }

    fn publish(&self, version: Version, instance: I) {
        let mut versions = lock(&self.versions);
        let kept = Kept { instance: Arc::new(instance), panics: Vec::new(), quarantined: false };
        versions.kept.insert(version, kept);
        self.activate_best(&versions);
    }

    fn count_panic(&self, version: &Version, now: Instant) {
        let mut versions = lock(&self.versions);
        let window = self.policy.window;
        let Some(kept) = versions.kept.get_mut(version) else { return };
        kept.panics.retain(|then| now.duration_since(*then) < window);
        kept.panics.push(now);
        let panics = u32::try_from(kept.panics.len()).unwrap_or(u32::MAX);
        if panics < self.policy.threshold || kept.quarantined {
            return;
        }
        kept.quarantined = true;
        self.tell(RegistryEvent::Quarantined { plugin: self.name.clone(), version: version.clone(), panics });
        self.activate_best(&versions);
    }

    /// Makes the newest version that is not in quarantine active; if all are, what is active stays, or the
    /// newest is taken: a plugin that panics on some requests is worth more than none.
    fn activate_best(&self, versions: &Versions<I>) {
        let active = self.active.load_full();
        let good = versions.kept.iter().rev().find(|(_, kept)| !kept.quarantined);
        let best = good
            .or_else(|| versions.kept.get_key_value(&active.version))
            .or_else(|| versions.kept.last_key_value());
        let Some((version, kept)) = best else { return };
        if Arc::ptr_eq(&kept.instance, &active.instance) {
            return;
        }
        self.active
            .store(Arc::new(Active { version: version.clone(), instance: Arc::clone(&kept.instance) }));
        self.tell(RegistryEvent::Activated {
            plugin: self.name.clone(),
            version: version.clone(),
            instead_of: Some(active.version.clone()),
        });
    }

    fn tell(&self, event: RegistryEvent) {
        (self.listener)(&event);
    }
}

impl<I> fmt::Debug for Slot<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("name", &self.name)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// Nothing under these locks can panic half-way except a listener, which comes last.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_abi::Status;

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
        let version = Version::new(1, 1, 0);
        slot.count_panic(&version, start);
        slot.count_panic(&version, start + Duration::from_secs(3_601));
        assert_eq!(*slot.instance(), "new");
        slot.count_panic(&version, start + Duration::from_secs(3_602));
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
}
