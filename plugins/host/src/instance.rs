//! What instances of every kind have in common: how they are made, checked, asked and ended.

use std::ffi::c_void;
use std::fmt;
use std::ptr;

use plugin_abi::{
    Bytes, CacheTable, CreateArgs, HandlerTable, Kind, LogSink, MiddlewareTable, ResolverTable,
    ShowcaseTable, SizeError, SizeFirst, Status, Text, TextSink, create, sized,
};

use crate::call::{CallError, TextSlot, copy_text};
use crate::environment::HostEnvironment;
use crate::plugin::Plugin;

/// How an instance is made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The operator's settings, in the plugin's own format; empty for its defaults.
    pub config: Vec<u8>,
    /// Which of the plugin's factories; the first one if not given.
    pub factory: Option<String>,
    /// Where the instance logs; nowhere if not given.
    pub log: Option<LogFunction>,
}

/// Takes a log line: the plugin's name, the level, the line. From any thread, several at once.
pub type LogFunction = fn(plugin: &str, level: LogLevel, line: &str);

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed that someone should look at.
    Error,
    /// Something is wrong, work goes on.
    Warn,
    /// A milestone of normal work.
    Info,
    /// What one wants when looking for a fault.
    Debug,
    /// Everything.
    Trace,
}

/// Why no instance was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The plugin is for something else.
    #[error("is a {found} plugin and cannot be used as a {wanted}")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it was to be.
        wanted: &'static str,
    },
    /// It has no factory of that name.
    #[error("has no factory `{wanted}`; it has {available}")]
    Factory {
        /// The name asked for.
        wanted: String,
        /// Those it has.
        available: String,
    },
    /// Its function table is not what the contract asks for.
    #[error("its function table is no such structure: {0}; build it against the published contract")]
    Table(SizeError),
    /// A function that every plugin of this kind must have is absent.
    #[error("its function table has no `{0}`, which a plugin of its kind must have")]
    Absent(&'static str),
    /// A constant in its function table is not what the contract asks for.
    #[error("its function table is wrong: {0}")]
    Constant(String),
    /// The plugin could not make the instance.
    #[error("could not make an instance: {0}")]
    Failed(CallError),
}

impl CreateError {
    /// The stable code of this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "abi.kind",
            Self::Factory { .. } => "create.factory",
            Self::Table(_) | Self::Absent(_) | Self::Constant(_) => "descriptor.malformed",
            Self::Failed(error) if error.is_panic() => "create.panicked",
            Self::Failed(_) => "create.failed",
        }
    }
}

type Create = unsafe extern "C" fn(*const CreateArgs, *mut *mut c_void, TextSink) -> Status;
type Destroy = unsafe extern "C" fn(*mut c_void);
type Health = unsafe extern "C" fn(*mut c_void, TextSink) -> Status;

/// What the function tables of all kinds have.
pub(crate) trait Table: SizeFirst + Send + Sync + 'static {
    const KIND: Kind;
    fn create(&self) -> Option<Create>;
    fn destroy(&self) -> Option<Destroy>;
    fn health(&self) -> Option<Health>;
    /// The name of the first function that must be there and is not.
    fn absent(&self) -> Option<&'static str>;
}

macro_rules! table {
    ($table:ty, $kind:ident, health: $health:expr, $($needed:ident),+) => {
        impl Table for $table {
            const KIND: Kind = Kind::$kind;
            fn create(&self) -> Option<Create> {
                self.create
            }
            fn destroy(&self) -> Option<Destroy> {
                self.destroy
            }
            fn health(&self) -> Option<Health> {
                let health: fn(&Self) -> Option<Health> = $health;
                health(self)
            }
            fn absent(&self) -> Option<&'static str> {
                $(if self.$needed.is_none() { return Some(stringify!($needed)); })+
                None
            }
        }
    };
}

table!(HandlerTable, Handler, health: |table| table.health, create, destroy, handle);
table!(MiddlewareTable, Middleware, health: |table| table.health, create, destroy, before, after);
table!(CacheTable, Cache, health: |table| table.health, create, destroy, get, set, remove);
table!(ResolverTable, Resolver, health: |table| table.health, create, destroy, resolve);
table!(ShowcaseTable, Showcase, health: |_| None, create, destroy, describe);

/// An instance of a plugin: the plugin's memory, and the functions that work on it.
pub(crate) struct Instance<T: Table> {
    table: T,
    pointer: *mut c_void,
}

// SAFETY: the contract lets every thread call the functions of an instance, several at once.
unsafe impl<T: Table> Send for Instance<T> {}
// SAFETY: as above.
unsafe impl<T: Table> Sync for Instance<T> {}

impl<T: Table> Instance<T> {
    /// Makes an instance. May block, and may start threads of the plugin's.
    pub(crate) fn create(
        plugin: &Plugin,
        host: &HostEnvironment,
        settings: &Settings,
    ) -> Result<Self, CreateError> {
        let table: T = read_table(plugin, settings.factory.as_deref())?;
        if let Some(function) = table.absent() {
            return Err(CreateError::Absent(function));
        }
        let create = table.create().ok_or(CreateError::Absent("create"))?;
        let log = log_sink(&plugin.identity().name, settings.log);
        let mut pointer = ptr::null_mut();
        let mut error = TextSlot::default();
        let sink = error.sink();
        let status = host.lend(|facts| {
            let arguments = CreateArgs {
                size: CreateArgs::SIZE,
                reserved: 0,
                config: Bytes::new(&settings.config),
                host: facts,
                log,
            };
            // SAFETY: all pointers are to values that live during the call; the log sink lives for ever.
            unsafe { create(&raw const arguments, &raw mut pointer, sink) }
        });
        error.into_result(status).map_err(CreateError::Failed)?;
        Ok(Self { table, pointer })
    }

    pub(crate) fn table(&self) -> &T {
        &self.table
    }

    /// What the functions of the table are given; null is a plugin's good right.
    pub(crate) fn pointer(&self) -> *mut c_void {
        self.pointer
    }

    /// Whether the instance can do its work at this moment; one that does not tell is taken to.
    pub(crate) fn health(&self) -> Result<(), CallError> {
        let Some(health) = self.table.health() else { return Ok(()) };
        let mut report = TextSlot::default();
        let sink = report.sink();
        // SAFETY: the instance lives; the sink is used during the call only.
        let status = unsafe { health(self.pointer, sink) };
        report.into_result(status)
    }
}

impl<T: Table> Drop for Instance<T> {
    fn drop(&mut self) {
        if let Some(destroy) = self.table.destroy() {
            // SAFETY: the instance was created, and whoever drops it has the only reference: no
            // call on it is running or will come.
            unsafe { destroy(self.pointer) }
        }
    }
}

impl<T: Table> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("kind", &T::KIND).finish_non_exhaustive()
    }
}

fn read_table<T: Table>(plugin: &Plugin, factory: Option<&str>) -> Result<T, CreateError> {
    let entry = plugin.entry();
    if entry.kind != T::KIND {
        return Err(CreateError::Kind { found: entry.kind.name(), wanted: T::KIND.name() });
    }
    let wanted = |name: &str| factory.is_none_or(|factory| factory == name);
    let Some(factory) = entry.factories.iter().find(|factory| wanted(&factory.name)) else {
        return Err(CreateError::Factory {
            wanted: factory.unwrap_or_default().to_owned(),
            available: plugin.factories().collect::<Vec<_>>().join(", "),
        });
    };
    // SAFETY: the contract makes the tables of a plugin of this kind that type, in some minor version.
    unsafe { sized::read_sized(factory.table.0.cast::<T>()) }.map_err(CreateError::Table)
}

struct LogContext {
    plugin: String,
    function: LogFunction,
}

/// Plugins may log until the process ends, so what they log through is never freed.
fn log_sink(plugin: &str, function: Option<LogFunction>) -> LogSink {
    let Some(function) = function else { return LogSink::IGNORE };
    let context: &'static LogContext =
        Box::leak(Box::new(LogContext { plugin: plugin.to_owned(), function }));
    LogSink { context: ptr::from_ref(context).cast_mut().cast::<c_void>(), write: Some(write_log) }
}

unsafe extern "C" fn write_log(context: *mut c_void, level: u32, line: Text) {
    // SAFETY: the context is the one that `log_sink` made for ever, and is only read.
    let context = unsafe { &*context.cast::<LogContext>() };
    // SAFETY: the plugin lends the line for this call.
    let line = unsafe { copy_text(line) };
    let level = match level {
        0..=create::LOG_ERROR => LogLevel::Error,
        create::LOG_WARN => LogLevel::Warn,
        create::LOG_INFO => LogLevel::Info,
        create::LOG_DEBUG => LogLevel::Debug,
        create::LOG_TRACE.. => LogLevel::Trace,
    };
    (context.function)(&context.plugin, level, &line);
}
