//! For the tests of plugins: a linked plugin, driven through the contract's tables as a host would, without a file.
#![forbid(unsafe_code)]

mod exchange;
mod leak;
mod request;

use std::collections::BTreeMap;

use plugin_host::{
    CacheInstance, CreateError, HandlerInstance, HostEnvironment, LogFunction, MiddlewareInstance, Plugin,
    ResolverInstance, Settings, StaticPlugin,
};

pub use exchange::{Outcome, answered, exchange, field, fields, only, passed};
pub use leak::abandoned_requests_leak_nothing;
pub use request::TestRequest;

/// An instance of a linked middleware with these settings; what it logs goes to `log`.
///
/// # Errors
/// What the plugin says about its settings.
///
/// # Panics
/// If the plugin breaks the contract before it comes to its settings.
pub fn middleware(
    plugin: &StaticPlugin,
    settings: &str,
    log: Option<LogFunction>,
) -> Result<MiddlewareInstance, CreateError> {
    let (plugin, host) = accepted(plugin);
    let settings = Settings { config: settings.as_bytes().to_vec(), factory: None, log };
    MiddlewareInstance::create(&plugin, &host, &settings)
}

/// An instance of a linked handler with these settings.
///
/// # Errors
/// What the plugin says about its settings.
///
/// # Panics
/// If the plugin breaks the contract before it comes to its settings.
pub fn handler(plugin: &StaticPlugin, settings: &str) -> Result<HandlerInstance, CreateError> {
    let (plugin, host) = accepted(plugin);
    let settings = Settings { config: settings.as_bytes().to_vec(), ..Settings::default() };
    HandlerInstance::create(&plugin, &host, &settings)
}

/// An instance of a linked cache with these settings; what it logs goes to `log`.
///
/// # Errors
/// What the plugin says about its settings.
///
/// # Panics
/// If the plugin breaks the contract before it comes to its settings.
pub fn cache(
    plugin: &StaticPlugin,
    settings: &str,
    log: Option<LogFunction>,
) -> Result<CacheInstance, CreateError> {
    let (plugin, host) = accepted(plugin);
    let settings = Settings { config: settings.as_bytes().to_vec(), factory: None, log };
    CacheInstance::create(&plugin, &host, &settings)
}

/// An instance of a linked resolver with these settings; what it logs goes to `log`.
///
/// # Errors
/// What the plugin says about its settings.
///
/// # Panics
/// If the plugin breaks the contract before it comes to its settings.
pub fn resolver(
    plugin: &StaticPlugin,
    settings: &str,
    log: Option<LogFunction>,
) -> Result<ResolverInstance, CreateError> {
    let (plugin, host) = accepted(plugin);
    let settings = Settings { config: settings.as_bytes().to_vec(), factory: None, log };
    ResolverInstance::create(&plugin, &host, &settings)
}

fn accepted(plugin: &StaticPlugin) -> (Plugin, HostEnvironment) {
    let plugin = Plugin::linked(plugin).expect("the plugin's note and descriptor keep to the contract");
    let host = HostEnvironment::gather(BTreeMap::new(), String::new());
    plugin.accept(&host).expect("the plugin accepts this host");
    (plugin, host)
}
