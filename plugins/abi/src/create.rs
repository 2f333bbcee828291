//! What every instance is created from, and where it logs.

use crate::{Bytes, HostInfo, SizeFirst, Text};
use core::ffi::c_void;

/// What a host gives to `create`. Borrowed for that call, except [`log`](CreateArgs::log).
///
/// `create` has the same form in every table: it stores a pointer to the new instance, which stays the plugin's memory,
/// and returns [`Status::OK`](crate::Status::OK); or it writes a message to the error sink, stores nothing and returns a
/// failure. It may block and may start threads. `destroy` is called once for each instance that was created, when no
/// other call on it is running or will come; when it returns, no thread of the instance runs any more.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CreateArgs {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// The operator's settings for this instance; their format is the plugin's. Absent or empty: defaults.
    pub config: Bytes,
    /// The machine and its labels. Never null.
    pub host: *const HostInfo,
    /// Where the instance logs. May be kept and used from any thread until the process ends.
    pub log: LogSink,
}

/// Takes log lines. The layout is final; a copy is as good as the original.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct LogSink {
    /// Handed to `write` unchanged.
    pub context: *mut c_void,
    /// Copies one line without its end. `level` is one of the `LOG_` constants; others are treated as the nearest.
    /// From any thread, several at once. Does not block for long. Null drops everything.
    pub write: Option<unsafe extern "C" fn(context: *mut c_void, level: u32, line: Text)>,
}

/// Log level: something failed that someone should look at.
pub const LOG_ERROR: u32 = 1;
/// Log level: something is wrong, work goes on.
pub const LOG_WARN: u32 = 2;
/// Log level: milestones of normal work.
pub const LOG_INFO: u32 = 3;
/// Log level: what one wants when looking for a fault.
pub const LOG_DEBUG: u32 = 4;
/// Log level: everything.
pub const LOG_TRACE: u32 = 5;

impl LogSink {
    /// A sink that drops what is written.
    pub const IGNORE: LogSink = LogSink { context: core::ptr::null_mut(), write: None };
}

// SAFETY: the contract lets every thread use a log sink.
unsafe impl Send for LogSink {}
// SAFETY: as above.
unsafe impl Sync for LogSink {}

// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for CreateArgs {
    const MINIMUM_SIZE: usize = 48;
}
