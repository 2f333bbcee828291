//! Showcases: plugins that exist to show versions and acceptability.

use crate::{CreateArgs, SizeFirst, Status, TextSink};
use core::ffi::c_void;

/// What a plugin of kind showcase offers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ShowcaseTable {
    /// Size of this structure in bytes, as the plugin knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Makes an instance; see [`CreateArgs`].
    pub create: Option<
        unsafe extern "C" fn(args: *const CreateArgs, instance: *mut *mut c_void, error: TextSink) -> Status,
    >,
    /// Ends an instance; see [`CreateArgs`].
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Describes the instance in one line. Called by many threads at once.
    pub describe:
        Option<unsafe extern "C" fn(instance: *mut c_void, description: TextSink, error: TextSink) -> Status>,
}

// SAFETY: the contract makes a table and what it points to constant.
unsafe impl Send for ShowcaseTable {}
// SAFETY: as above.
unsafe impl Sync for ShowcaseTable {}

// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for ShowcaseTable {
    const MINIMUM_SIZE: usize = 32;
}
