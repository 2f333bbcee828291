//! The handler plugins: loads what lies in the plugin root and lays it on its routes.
//!
//! A plugin that cannot be used is logged with its reason and left out; it never keeps the server from
//! starting.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use plugin_host::{
    Admission, AllowList, CallError, FaultPolicy, HandlerInstance, Host, Kind, LogLevel, Plugin, Registry,
    RegistryEvent, Request, Response, Settings, Slot, load,
};

use crate::options::Options;
use crate::router::Router;

/// A handler on its route: whichever version of the plugin is active.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    slot: Arc<Slot<HandlerInstance>>,
}

impl Handler {
    pub(crate) fn call(&self, request: &Request<'_>) -> Result<Response, CallError> {
        self.slot.call(|instance| instance.handle(request))
    }

    pub(crate) fn plugin(&self) -> &str {
        self.slot.name()
    }

    pub(crate) fn version(&self) -> String {
        self.slot.version().to_string()
    }
}

/// Loads every usable handler below the plugin root.
///
/// # Errors
/// If the plugin root or the allow-list cannot be read, or this process not be judged against.
pub(crate) fn load_all(options: &Options) -> anyhow::Result<Router<Handler>> {
    let root = options
        .plugin_root
        .as_deref()
        .context("no plugin root is given; name one with --plugin-root or SERVER_PLUGIN_ROOT")?;
    let files = plugin_files(root)?;
    let admission = Admission { allow_list: read_allow_list(options)?, kind: Some(Kind::Handler) };
    let host = Host::of_this_process(options.labels.clone())
        .context("cannot read the facts of this host, which plugins are judged against")?;
    let registry = Registry::new(FaultPolicy::default(), log_event);
    let mut seen = BTreeSet::new();
    for path in files {
        match load(&host, &admission, &path) {
            Ok(plugin) => publish(&registry, &host, &plugin, &path, &mut seen),
            Err(error) => refuse(&path, error.code(), &anyhow::Error::new(error)),
        }
    }
    Ok(lay_out(&registry))
}

/// The files that may be plugins, by name. Names that begin with a dot are left alone: they are what
/// copying programs use until a file is complete.
fn plugin_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !root.is_dir() {
        bail!(
            "the plugin root {} is not a folder; make it, or name another with --plugin-root or SERVER_PLUGIN_ROOT",
            root.display()
        );
    }
    let folder = root.join("handlers");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), "there is no folder of handlers, so there is nothing to serve");
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the folder {}", folder.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension() == Some(OsStr::new("so")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_allow_list(options: &Options) -> anyhow::Result<Option<AllowList>> {
    let Some(path) = &options.allow_list else { return Ok(None) };
    let wrong = || format!("cannot use the allow-list {}", path.display());
    let text = fs::read_to_string(path).with_context(wrong)?;
    Ok(Some(AllowList::parse(&text).with_context(wrong)?))
}

fn publish(
    registry: &Registry<HandlerInstance>,
    host: &Host,
    plugin: &Plugin,
    path: &Path,
    seen: &mut BTreeSet<(String, String)>,
) {
    let identity = plugin.identity();
    let (name, version) = (&identity.name, identity.version.to_string());
    if !seen.insert((name.clone(), version.clone())) {
        let error = anyhow::anyhow!("another file is {name} {version} already; remove one of the two");
        return refuse(path, "plugin.duplicate", &error);
    }
    let settings = Settings { log: Some(log_line), ..Settings::default() };
    match HandlerInstance::create(plugin, host.environment(), &settings) {
        Ok(instance) => {
            tracing::info!(
                plugin = %name, %version, path = %path.display(), target = %identity.target,
                compiler = %identity.compiler, route = instance.route(), "loaded"
            );
            for remark in plugin.remarks() {
                tracing::warn!(plugin = %name, %version, path = %path.display(), remark, "loaded, but");
            }
            registry.publish(name, identity.version.clone(), instance);
        }
        Err(error) => refuse(path, error.code(), &anyhow::Error::new(error)),
    }
}

fn refuse(path: &Path, code: &str, error: &anyhow::Error) {
    tracing::error!(path = %path.display(), code, reason = format!("{error:#}"), "plugin refused");
}

/// Lays each plugin on the route of its active version. The first by name keeps a route.
fn lay_out(registry: &Registry<HandlerInstance>) -> Router<Handler> {
    let mut router = Router::new();
    for slot in registry.slots() {
        let instance = slot.instance();
        let handler = Handler { slot };
        let (route, methods) = (instance.route(), instance.methods().to_vec());
        if let Err((handler, keeper)) = router.add(route, methods, handler) {
            tracing::error!(
                route,
                plugin = handler.plugin(),
                version = handler.version(),
                code = "route.taken",
                reason = format!("{} {} has this route already", keeper.plugin(), keeper.version()),
                "plugin refused"
            );
        }
    }
    router
}

fn log_event(event: &RegistryEvent) {
    match event {
        RegistryEvent::Quarantined { plugin, version, panics } => {
            tracing::error!(plugin, %version, panics, "quarantined, it panicked too often");
        }
        RegistryEvent::Activated { plugin, version, instead_of: Some(other) } => {
            tracing::warn!(plugin, %version, instead_of = %other, "activated");
        }
        RegistryEvent::Activated { plugin, version, .. } => tracing::info!(plugin, %version, "activated"),
        other => tracing::info!("{other}"),
    }
}

fn log_line(plugin: &str, level: LogLevel, line: &str) {
    match level {
        LogLevel::Error => tracing::error!(plugin, "{line}"),
        LogLevel::Warn => tracing::warn!(plugin, "{line}"),
        LogLevel::Info => tracing::info!(plugin, "{line}"),
        LogLevel::Debug => tracing::debug!(plugin, "{line}"),
        LogLevel::Trace => tracing::trace!(plugin, "{line}"),
    }
}
