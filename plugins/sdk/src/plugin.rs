//! What all kinds of plugin have in common: they are created from settings, and say how they are.

use crate::{Error, HostFacts};
use plugin_abi::{create, sized, CreateArgs, LogSink, Text};
use std::fmt;

/// What every plugin is, whatever its kind.
///
/// One value is one instance; the host may make several. It is shared by all threads of the host, so it keeps what it
/// changes behind locks or atomics. It is dropped when the host is done with it: whatever threads it started must have
/// ended when its `Drop` returns.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Makes an instance from the operator's settings. May block.
    ///
    /// # Errors
    /// The message is shown to the operator; a setting that does not fit is [`Error::invalid`].
    fn create(setup: &Setup<'_>) -> Result<Self, Error>;

    /// Whether the instance can do its work at this moment. Answers from what it knows, without blocking.
    ///
    /// # Errors
    /// Why it cannot.
    fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What an instance is made from.
#[derive(Debug)]
pub struct Setup<'a> {
    config: &'a [u8],
    host: HostFacts<'a>,
    log: Logger,
}

impl<'a> Setup<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to arguments that keep to the contract and stay unchanged during `'a`.
    pub(crate) unsafe fn read(args: *const CreateArgs) -> Result<Setup<'a>, Error> {
        // SAFETY: the caller's promise.
        let args =
            unsafe { sized::borrow_sized(args) }.map_err(|error| Error::size("create arguments", error))?;
        // SAFETY: a view in arguments that keep to the contract.
        let config = unsafe { args.config.as_slice() }.map_err(|error| Error::view("settings", error))?;
        // SAFETY: a pointer in arguments that keep to the contract.
        let host = unsafe { HostFacts::read(args.host) }?;
        Ok(Setup { config, host, log: Logger { sink: args.log } })
    }

    /// The operator's settings, empty if there are none; their format is the plugin's choice.
    pub fn config(&self) -> &'a [u8] {
        self.config
    }

    /// The operator's settings as text.
    ///
    /// # Errors
    /// If they are not UTF-8.
    pub fn config_text(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.config)
            .map_err(|error| Error::invalid(format!("the settings are not UTF-8: {error}")))
    }

    /// Facts about the machine.
    pub fn host(&self) -> HostFacts<'a> {
        self.host
    }

    /// Where to log; may be cloned and kept.
    pub fn log(&self) -> Logger {
        self.log
    }
}

/// Writes to the host's log, from any thread, at any time.
#[derive(Debug, Clone, Copy)]
pub struct Logger {
    sink: LogSink,
}

/// How much a line of log matters.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that someone should look at.
    Error = create::LOG_ERROR,
    /// Something is wrong, work goes on.
    Warn = create::LOG_WARN,
    /// Milestones of normal work.
    Info = create::LOG_INFO,
    /// What one wants when looking for a fault.
    Debug = create::LOG_DEBUG,
    /// Everything.
    Trace = create::LOG_TRACE,
}

impl Logger {
    /// Writes one line; use it with `format_args!`.
    pub fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        if let Some(write) = self.sink.write {
            let formatted;
            let line = match line.as_str() {
                Some(line) => line,
                None => {
                    formatted = line.to_string();
                    &formatted
                }
            };
            // SAFETY: the contract keeps a log sink usable until the process ends; the line outlives the call.
            unsafe { write(self.sink.context, level as u32, Text::new(line)) }
        }
    }
}
