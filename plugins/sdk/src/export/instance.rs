//! The life of an instance, the same for all kinds.

use super::null;
use crate::guard::{caught, guard};
use crate::{Error, Level, Logger, Plugin, Setup};
use plugin_abi::{CreateArgs, Status, TextSink};
use std::ffi::c_void;

/// What an instance pointer leads to.
pub(super) struct Instance<P> {
    pub(super) plugin: P,
    /// Where failures go that no sink takes.
    log: Logger,
}

impl<P: Plugin> Instance<P> {
    /// # Safety
    /// The pointer is null or comes from [`create`] for the same `P`, and is not destroyed during `'a`.
    pub(super) unsafe fn of<'a>(instance: *mut c_void) -> Result<&'a Instance<P>, Error> {
        // SAFETY: the caller's promise.
        unsafe { instance.cast::<Instance<P>>().as_ref() }.ok_or_else(|| null("instance"))
    }

    pub(super) fn log_failure(&self, call: &str, error: &Error) {
        self.log.log(Level::Error, format_args!("{call}: {error}"));
    }
}

/// # Safety
/// Called by the host as the contract says for `create`.
pub(super) unsafe extern "C" fn create<P: Plugin>(
    args: *const CreateArgs,
    instance: *mut *mut c_void,
    error: TextSink,
) -> Status {
    guard(error, || {
        if instance.is_null() {
            return Err(null("place for the instance"));
        }
        // SAFETY: the host's promise.
        let setup = unsafe { Setup::read(args) }?;
        let created = Box::new(Instance { plugin: P::create(&setup)?, log: setup.log() });
        // SAFETY: not null (checked), and the host gives room for one pointer.
        unsafe { instance.write(Box::into_raw(created).cast()) };
        Ok(Status::OK)
    })
}

/// # Safety
/// Called by the host as the contract says for `destroy`.
pub(super) unsafe extern "C" fn destroy<P: Plugin>(instance: *mut c_void) {
    if instance.is_null() {
        return;
    }
    // SAFETY: it comes from `create`, and the host destroys it once, when no other call is running.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<P>>()) };
    let Instance { plugin, log } = *instance;
    if let Err(error) = caught(move || {
        drop(plugin);
        Ok(())
    }) {
        log.log(Level::Error, format_args!("destroy: {error}"));
    }
}

/// # Safety
/// Called by the host as the contract says for `health`.
pub(super) unsafe extern "C" fn health<P: Plugin>(instance: *mut c_void, report: TextSink) -> Status {
    guard(report, || {
        // SAFETY: the host's promise.
        let instance = unsafe { Instance::<P>::of(instance) }?;
        instance.plugin.health().map(|()| Status::OK)
    })
}
