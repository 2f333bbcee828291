//! One plugin of a running host: its versions, and the one that is called.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use semver::Version;

use crate::call::CallError;
use crate::registry::{FaultPolicy, Listener, RegistryEvent};

/// One plugin: the version that is called, and those it can go back to.
pub struct Slot<I> {
    name: String,
    active: ArcSwap<Active<I>>,
    versions: Mutex<BTreeMap<Version, Kept<I>>>,
    policy: FaultPolicy,
    listener: Listener,
}

/// Whether a version is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is called.
    Active,
    /// It is kept to go back to.
    Standby,
    /// It panicked too often, or an operator said so; it is called only if nothing else is there.
    Quarantined,
}

/// There is no version that could be called instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no other version could be called instead")]
pub struct NoOtherVersion;

/// The version that is called. A pointer more than the instance, so that a call knows whom to blame.
struct Active<I> {
    version: Version,
    instance: Arc<I>,
}

struct Kept<I> {
    instance: Arc<I>,
    /// When it panicked, no longer ago than the policy's window.
    panics: Vec<Instant>,
    quarantined: bool,
}

/// The version that was active when it was asked for; it lives as long as this. Cheap, and not to be kept
/// longer than a call.
pub struct Current<'s, I> {
    slot: &'s Slot<I>,
    active: Guard<Arc<Active<I>>>,
}

impl<I> Slot<I> {
    pub(crate) fn new(
        name: &str,
        version: Version,
        instance: I,
        policy: FaultPolicy,
        listener: Listener,
    ) -> Self {
        let instance = Arc::new(instance);
        let slot = Self {
            name: name.to_owned(),
            active: ArcSwap::from_pointee(Active {
                version: version.clone(),
                instance: Arc::clone(&instance),
            }),
            versions: Mutex::new(BTreeMap::from([(version.clone(), Kept::new(instance))])),
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

    /// The version that is called now, for a call.
    pub fn current(&self) -> Current<'_, I> {
        Current { slot: self, active: self.active.load() }
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
        lock(&self.versions).keys().cloned().collect()
    }

    /// All versions with their instances and how they stand, the oldest first.
    pub fn standings(&self) -> Vec<(Version, Arc<I>, Standing)> {
        let versions = lock(&self.versions);
        let active = self.active.load();
        let standing = |kept: &Kept<I>| {
            if Arc::ptr_eq(&kept.instance, &active.instance) {
                Standing::Active
            } else if kept.quarantined {
                Standing::Quarantined
            } else {
                Standing::Standby
            }
        };
        versions
            .iter()
            .map(|(version, kept)| (version.clone(), Arc::clone(&kept.instance), standing(kept)))
            .collect()
    }

    /// Calls the active version. A panic is counted against it; past the policy's threshold the slot goes
    /// back to the newest other version, and this very call still fails.
    ///
    /// # Errors
    /// What `call` gives.
    pub fn call<R>(&self, call: impl FnOnce(&I) -> Result<R, CallError>) -> Result<R, CallError> {
        let current = self.current();
        let outcome = call(&current);
        if let Err(error) = &outcome {
            current.blame(error);
        }
        outcome
    }

    /// Goes back to the newest version that is older than the active one, whatever is published; says
    /// which, or `None` if there is no older one. The newer ones are kept, in quarantine.
    pub fn roll_back(&self) -> Option<Version> {
        let mut versions = lock(&self.versions);
        let active = self.active.load().version.clone();
        let older = versions.range(..&active).next_back()?.0.clone();
        for (version, newer) in versions.range_mut(&active..) {
            if !newer.quarantined {
                newer.quarantined = true;
                self.tell_quarantined(version, None);
            }
        }
        if let Some(older) = versions.get_mut(&older) {
            older.quarantined = false;
            older.panics.clear();
        }
        self.activate_best(&versions);
        Some(older)
    }

    /// Puts a version into quarantine, as if it had panicked too often; says whether there is such a version.
    ///
    /// # Errors
    /// If it is active and no other could be called instead: nothing has changed then.
    pub fn quarantine(&self, version: &Version) -> Result<bool, NoOtherVersion> {
        let mut versions = lock(&self.versions);
        let others = versions.iter().any(|(other, kept)| other != version && !kept.quarantined);
        let Some(kept) = versions.get_mut(version) else { return Ok(false) };
        if !others {
            return Err(NoOtherVersion);
        }
        if !kept.quarantined {
            kept.quarantined = true;
            self.tell_quarantined(version, None);
            self.activate_best(&versions);
        }
        Ok(true)
    }

    /// Takes a version out of quarantine and forgets its panics; says whether it was in there.
    pub fn release(&self, version: &Version) -> bool {
        let mut versions = lock(&self.versions);
        let Some(kept) = versions.get_mut(version).filter(|kept| kept.quarantined) else { return false };
        kept.quarantined = false;
        kept.panics.clear();
        self.tell(RegistryEvent::Released { plugin: self.name.clone(), version: version.clone() });
        self.activate_best(&versions);
        true
    }

    /// Removes a version, unless it is the only one; says whether it did.
    pub fn retire(&self, version: &Version) -> bool {
        let mut versions = lock(&self.versions);
        if versions.len() < 2 || versions.remove(version).is_none() {
            return false;
        }
        self.tell(RegistryEvent::Removed { plugin: self.name.clone(), version: version.clone() });
        self.activate_best(&versions);
        true
    }

    pub(crate) fn publish(&self, version: Version, instance: I) {
        let mut versions = lock(&self.versions);
        versions.insert(version, Kept::new(Arc::new(instance)));
        self.activate_best(&versions);
    }

    fn count_panic(&self, active: &Active<I>, now: Instant) {
        let mut versions = lock(&self.versions);
        let window = self.policy.window;
        let Some(kept) = versions.get_mut(&active.version) else { return };
        // It may have been replaced while the call ran.
        if !Arc::ptr_eq(&kept.instance, &active.instance) {
            return;
        }
        kept.panics.retain(|then| now.duration_since(*then) < window);
        kept.panics.push(now);
        let panics = u32::try_from(kept.panics.len()).unwrap_or(u32::MAX);
        if panics < self.policy.threshold || kept.quarantined {
            return;
        }
        kept.quarantined = true;
        self.tell_quarantined(&active.version, Some(panics));
        self.activate_best(&versions);
    }

    /// Makes the newest version that is not in quarantine active; if all are, what is active stays, or the
    /// newest is taken: a plugin that panics on some requests is worth more than none.
    fn activate_best(&self, versions: &BTreeMap<Version, Kept<I>>) {
        let active = self.active.load_full();
        let good = versions.iter().rev().find(|(_, kept)| !kept.quarantined);
        let best =
            good.or_else(|| versions.get_key_value(&active.version)).or_else(|| versions.last_key_value());
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

    fn tell_quarantined(&self, version: &Version, panics: Option<u32>) {
        let plugin = self.name.clone();
        self.tell(RegistryEvent::Quarantined { plugin, version: version.clone(), panics });
    }

    fn tell(&self, event: RegistryEvent) {
        (self.listener)(&event);
    }
}

impl<I> Kept<I> {
    fn new(instance: Arc<I>) -> Self {
        Self { instance, panics: Vec::new(), quarantined: false }
    }
}

impl<I> Current<'_, I> {
    /// Its version.
    pub fn version(&self) -> &Version {
        &self.active.version
    }

    /// Counts a failed call against it, if it panicked.
    pub fn blame(&self, error: &CallError) {
        if error.is_panic() {
            self.count_panic(Instant::now());
        }
    }

    pub(crate) fn count_panic(&self, now: Instant) {
        self.slot.count_panic(&self.active, now);
    }
}

impl<I> Deref for Current<'_, I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.active.instance
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

impl<I> fmt::Debug for Current<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("version", self.version()).finish_non_exhaustive()
    }
}

/// Nothing under these locks can panic half-way except a listener, which comes last.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
