//! A version of a plugin as the server keeps it: the instance, where it came from, and what became of its calls.

use std::path::Path;

use plugin_host::{
    CallError, CreateError, HandlerInstance, HostEnvironment, Kind, MiddlewareInstance, Origin, Plugin,
    PluginIdentity, Settings, Sha256Digest,
};

use super::state::Family;
use crate::stats::Calls;

/// An instance and what the server knows of it.
#[derive(Debug)]
pub(crate) struct Installed<I> {
    pub(crate) instance: I,
    pub(crate) identity: PluginIdentity,
    pub(crate) origin: Origin,
    pub(crate) calls: Calls,
}

impl<I> Installed<I> {
    /// The file it was loaded from.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File { path, .. } => Some(path),
            Origin::Linked => None,
        }
    }

    /// Digest of the loaded bytes.
    pub(crate) fn sha256(&self) -> Option<&Sha256Digest> {
        match &self.origin {
            Origin::File { sha256, .. } => Some(sha256),
            Origin::Linked => None,
        }
    }
}

/// An instance of a kind of plugin that the server has use for.
pub(crate) trait Instance: Sized + Send + Sync + 'static {
    const FAMILY: Family;
    const KIND: Kind;
    /// Where its files lie below the plugin root.
    const FOLDER: &'static str;

    fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError>;

    fn health(&self) -> Result<(), CallError>;
}

impl Instance for HandlerInstance {
    const FAMILY: Family = Family::Handler;
    const KIND: Kind = Kind::Handler;
    const FOLDER: &'static str = "handlers";

    fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        HandlerInstance::create(plugin, host, settings)
    }

    fn health(&self) -> Result<(), CallError> {
        HandlerInstance::health(self)
    }
}

impl Instance for MiddlewareInstance {
    const FAMILY: Family = Family::Middleware;
    const KIND: Kind = Kind::Middleware;
    const FOLDER: &'static str = "middlewares";

    fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        MiddlewareInstance::create(plugin, host, settings)
    }

    fn health(&self) -> Result<(), CallError> {
        MiddlewareInstance::health(self)
    }
}
