//! The table of a cache.

use super::instance::{create, destroy, health, Instance};
use super::Exported;
use crate::guard::caught;
use crate::{Acknowledgement, Cache, Error, Lookup};
use plugin_abi::{Bytes, CacheTable, Completion, Kind, SizeFirst};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::time::Duration;

/// A type in its role as cache.
pub struct OfCache<C>(PhantomData<C>);

impl<C: Cache> Exported for OfCache<C> {
    const KIND: Kind = Kind::Cache;
    const TABLE: *const c_void = (Self::CACHE_TABLE as *const CacheTable).cast();
}

impl<C: Cache> OfCache<C> {
    const CACHE_TABLE: &'static CacheTable = &CacheTable {
        size: CacheTable::SIZE,
        reserved: 0,
        create: Some(create::<C>),
        destroy: Some(destroy::<C>),
        get: Some(get::<C>),
        set: Some(set::<C>),
        remove: Some(remove::<C>),
        health: Some(health::<C>),
    };
}

/// # Safety
/// Called by the host as the contract says for `get`.
unsafe extern "C" fn get<C: Cache>(instance: *mut c_void, key: Bytes, completion: Completion) {
    let lookup = Lookup::new(completion);
    // SAFETY: the host's promise.
    match unsafe { checked::<C>(instance, key) } {
        Ok((instance, key)) => logged(instance, "get", || instance.plugin.get(key, lookup)),
        Err(error) => lookup.fail(&error),
    }
}

/// # Safety
/// Called by the host as the contract says for `set`.
unsafe extern "C" fn set<C: Cache>(
    instance: *mut c_void,
    key: Bytes,
    value: Bytes,
    ttl_ms: u64,
    completion: Completion,
) {
    let acknowledgement = Acknowledgement::new(completion);
    // SAFETY: the host's promise.
    let value = unsafe { value.as_slice() }.map_err(|error| Error::view("value", error));
    // SAFETY: the host's promise.
    let checked = unsafe { checked::<C>(instance, key) };
    match checked.and_then(|(instance, key)| value.map(|value| (instance, key, value))) {
        Ok((instance, key, value)) => {
            let time_to_live = if ttl_ms == 0 { None } else { Some(Duration::from_millis(ttl_ms)) };
            logged(instance, "set", || instance.plugin.set(key, value, time_to_live, acknowledgement));
        }
        Err(error) => acknowledgement.fail(&error),
    }
}

/// # Safety
/// Called by the host as the contract says for `remove`.
unsafe extern "C" fn remove<C: Cache>(instance: *mut c_void, key: Bytes, completion: Completion) {
    let acknowledgement = Acknowledgement::new(completion);
    // SAFETY: the host's promise.
    match unsafe { checked::<C>(instance, key) } {
        Ok((instance, key)) => logged(instance, "remove", || instance.plugin.remove(key, acknowledgement)),
        Err(error) => acknowledgement.fail(&error),
    }
}

/// # Safety
/// The pointer is an instance of `C` or null; the key keeps to the contract during `'a`.
unsafe fn checked<'a, C: Cache>(
    instance: *mut c_void,
    key: Bytes,
) -> Result<(&'a Instance<C>, &'a [u8]), Error> {
    // SAFETY: the caller's promise.
    let instance = unsafe { Instance::<C>::of(instance) }?;
    // SAFETY: the caller's promise.
    let key = unsafe { key.as_slice() }.map_err(|error| Error::view("key", error))?;
    Ok((instance, key))
}

/// Runs a call whose answer goes its own way: a panic drops the completion, which answers, and its message is logged.
fn logged<C: Cache>(instance: &Instance<C>, name: &str, call: impl FnOnce()) {
    let call = || {
        call();
        Ok(())
    };
    if let Err(error) = caught(call) {
        instance.log_failure(name, &error);
    }
}
