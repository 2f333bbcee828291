//! The host's side, as little of it as the tests need.

use plugin_sdk::abi::{
    sized, Bytes, CreateArgs, HostInfo, Label, LogSink, SizeFirst, StaticPlugin, Status, Text, TextSink,
};
use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

/// What a call left in its text sink.
#[derive(Default)]
pub(crate) struct Message(String);

impl Message {
    pub(crate) fn sink(&mut self) -> TextSink {
        unsafe extern "C" fn write(context: *mut c_void, text: Text) {
            // SAFETY: the context is the message that lent itself in `sink`, and the plugin writes UTF-8.
            unsafe { (*context.cast::<Message>()).0 = text.as_str().unwrap().to_owned() }
        }
        TextSink { context: ptr::from_mut(self).cast(), write: Some(write) }
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Everything plugins logged.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) fn log_contains(needle: &str) -> bool {
    LOG.lock().unwrap().iter().any(|line| line.contains(needle))
}

unsafe extern "C" fn write_log(_context: *mut c_void, level: u32, line: Text) {
    // SAFETY: the plugin lends the line for this call.
    let line = unsafe { line.as_str() }.unwrap();
    LOG.lock().unwrap().push(format!("{level} {line}"));
}

/// Host facts in the words of a test.
pub(crate) fn host_info<'a>(labels: &'a [Label], cpu_features: &'a [Text]) -> HostInfo {
    HostInfo {
        size: HostInfo::SIZE,
        abi_major: plugin_sdk::abi::ABI_MAJOR,
        abi_minor: plugin_sdk::abi::ABI_MINOR,
        arch: Text::new("x86_64"),
        libc: Text::new("gnu"),
        libc_version: Text::new("2.36"),
        kernel: Text::new("6.1.0"),
        cpu_features: cpu_features.as_ptr(),
        cpu_feature_count: cpu_features.len(),
        memory: 1 << 30,
        labels: labels.as_ptr(),
        label_count: labels.len(),
        cores: 2,
        reserved: 0,
    }
}

/// Arguments of `create` with these settings.
pub(crate) fn create_args(config: &[u8], host: &HostInfo) -> CreateArgs {
    CreateArgs {
        size: CreateArgs::SIZE,
        reserved: 0,
        config: Bytes::new(config),
        host,
        log: LogSink { context: ptr::null_mut(), write: Some(write_log) },
    }
}

/// The table of the factory number `index`.
pub(crate) fn table<T: SizeFirst>(plugin: &StaticPlugin, index: usize) -> T {
    // SAFETY: an exported plugin keeps to the contract.
    let factory = unsafe { plugin.descriptor.factory(index) }.unwrap().expect("no such factory");
    // SAFETY: the caller names the table of the plugin's kind.
    unsafe { sized::read_sized(factory.table.cast::<T>()) }.unwrap()
}

pub(crate) type Create = unsafe extern "C" fn(*const CreateArgs, *mut *mut c_void, TextSink) -> Status;

/// Makes an instance, or says why not.
pub(crate) fn create(create: Option<Create>, config: &[u8]) -> Result<*mut c_void, (Status, String)> {
    let host = host_info(&[], &[]);
    let mut message = Message::default();
    let mut instance = ptr::null_mut();
    // SAFETY: everything passed outlives the call.
    let status = unsafe { create.unwrap()(&create_args(config, &host), &mut instance, message.sink()) };
    match status {
        Status::OK => Ok(instance),
        failure => Err((failure, message.text().to_owned())),
    }
}
