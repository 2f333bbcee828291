//! The table of a showcase.

use super::instance::{create, destroy, Instance};
use super::Exported;
use crate::guard::guard;
use crate::Showcase;
use plugin_abi::{Kind, ShowcaseTable, SizeFirst, Status, TextSink};
use std::ffi::c_void;
use std::marker::PhantomData;

/// A type in its role as showcase.
pub struct OfShowcase<S>(PhantomData<S>);

impl<S: Showcase> Exported for OfShowcase<S> {
    const KIND: Kind = Kind::Showcase;
    const TABLE: *const c_void = (Self::SHOWCASE_TABLE as *const ShowcaseTable).cast();
}

impl<S: Showcase> OfShowcase<S> {
    const SHOWCASE_TABLE: &'static ShowcaseTable = &ShowcaseTable {
        size: ShowcaseTable::SIZE,
        reserved: 0,
        create: Some(create::<S>),
        destroy: Some(destroy::<S>),
        describe: Some(describe::<S>),
    };
}

/// # Safety
/// Called by the host as the contract says for `describe`.
unsafe extern "C" fn describe<S: Showcase>(
    instance: *mut c_void,
    description: TextSink,
    error: TextSink,
) -> Status {
    guard(error, || {
        // SAFETY: the host's promise.
        let instance = unsafe { Instance::<S>::of(instance) }?;
        let text = instance.plugin.describe()?;
        // SAFETY: the sink was passed to this call.
        unsafe { description.put(&text) };
        Ok(Status::OK)
    })
}
