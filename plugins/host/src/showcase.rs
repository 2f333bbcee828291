//! Showcases: plugins that exist to show versions and acceptability.

use plugin_abi::ShowcaseTable;

use crate::call::{CallError, TextSlot};
use crate::environment::HostEnvironment;
use crate::instance::{CreateError, Instance, Settings};
use crate::plugin::Plugin;

/// An instance of a showcase plugin. Ended when dropped.
#[derive(Debug)]
pub struct ShowcaseInstance {
    instance: Instance<ShowcaseTable>,
}

impl ShowcaseInstance {
    /// Makes an instance. May block.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        Ok(Self { instance: Instance::create(plugin, host, settings)? })
    }

    /// Its description of itself. From any thread, several at once.
    ///
    /// # Errors
    /// If the plugin failed or panicked.
    pub fn describe(&self) -> Result<String, CallError> {
        let Some(describe) = self.instance.table().describe else {
            return Err(CallError::unsupported("describe"));
        };
        let (mut description, mut error) = (TextSlot::default(), TextSlot::default());
        let (description_sink, error_sink) = (description.sink(), error.sink());
        // SAFETY: the instance lives, and so do the sinks during the call.
        let status = unsafe { describe(self.instance.pointer(), description_sink, error_sink) };
        error.into_result(status)?;
        Ok(description.take().unwrap_or_default())
    }
}
