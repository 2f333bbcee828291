//! Lines in nginx's error log: of this module, and of its plugins.

use std::error::Error;
use std::fmt::Arguments;
use std::time::Duration;

use ngx::ffi::{
    NGX_LOG_DEBUG, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_WARN, ngx_log_t, ngx_uint_t,
};
use ngx::log::ngx_cycle_log;
use plugin_host::LogLevel;

pub(crate) const EMERGENCY: ngx_uint_t = NGX_LOG_EMERG as ngx_uint_t;
pub(crate) const ERROR: ngx_uint_t = NGX_LOG_ERR as ngx_uint_t;
pub(crate) const WARN: ngx_uint_t = NGX_LOG_WARN as ngx_uint_t;
pub(crate) const INFO: ngx_uint_t = NGX_LOG_INFO as ngx_uint_t;

/// Writes a line if the log takes lines of that level.
///
/// # Safety
/// The log is alive.
pub(crate) unsafe fn write(level: ngx_uint_t, log: *mut ngx_log_t, line: Arguments<'_>) {
    // SAFETY: the caller's promise.
    if level <= unsafe { (*log).log_level } {
        // SAFETY: the caller's promise.
        unsafe { ngx::log::log_error(level, log, 0, line.to_string().as_bytes()) };
    }
}

/// Writes a line about the whole worker.
pub(crate) fn write_for_worker(level: ngx_uint_t, line: Arguments<'_>) {
    // SAFETY: in a process that this module is part of, there is a cycle, and its log lives as long.
    unsafe { write(level, ngx_cycle_log().as_ptr(), line) }
}

/// Takes the lines of a plugin, from any thread. nginx's own thread pools log so, too: each line is one write(2).
pub(crate) fn write_for_plugin(plugin: &str, level: LogLevel, line: &str) {
    let level = match level {
        LogLevel::Error => ERROR,
        LogLevel::Warn => WARN,
        LogLevel::Info => INFO,
        LogLevel::Debug | LogLevel::Trace => NGX_LOG_DEBUG as ngx_uint_t,
    };
    write_for_worker(level, format_args!("set_backend: {plugin}: {line}"));
}

/// An error and all that led to it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// Lets one line through in a while, so that the log does not grow with every request.
#[derive(Debug, Default)]
pub(crate) struct Valve {
    next: Option<Duration>,
    held_back: u64,
}

const WHILE: Duration = Duration::from_secs(10);

impl Valve {
    /// Whether a line may go through at `now`, and how many were held back before it.
    pub(crate) fn pass(&mut self, now: Duration) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.held_back += 1;
            return None;
        }
        self.next = Some(now + WHILE);
        Some(std::mem::take(&mut self.held_back))
    }
}
