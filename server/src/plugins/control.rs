//! What operators see and order.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};

use plugin_host::{Registry, Slot};
use semver::Version;
use tokio::sync::oneshot;

use super::deployment::Shared;
use super::installed::{Installed, Instance};
use super::state::{Family, PluginState, PluginsState, Standing, VersionState};

/// What the thread of the deployment is told.
pub(super) enum Order {
    /// The files below the plugin root changed; these are being written.
    FilesChanged { unsettled: BTreeSet<PathBuf> },
    /// Versions were activated, quarantined, removed.
    RegistryChanged,
    /// An operator wants the files to be looked at.
    Reload { done: oneshot::Sender<()> },
    /// The process ends.
    End { ended: Sender<()> },
}

/// Sees and changes the plugins of the running server. Copies are the same.
#[derive(Clone)]
pub(crate) struct Control {
    shared: Arc<Shared>,
    orders: Sender<Order>,
}

/// Why an order was not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControlError {
    /// There is no such plugin or version.
    #[error("{0}")]
    NotFound(String),
    /// It would leave nothing to call.
    #[error("{0}")]
    Refused(String),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl Control {
    pub(super) fn new(shared: Arc<Shared>, orders: Sender<Order>) -> Self {
        Self { shared, orders }
    }

    /// How things stand. From any thread; takes no lock that a request would wait for.
    pub(crate) fn state(&self) -> PluginsState {
        let table = self.shared.table.load();
        let mut plugins: Vec<PluginState> = self
            .shared
            .handlers
            .slots()
            .iter()
            .map(|slot| {
                let instance = slot.instance();
                let route = table.route_of(slot.name()).map(str::to_owned);
                PluginState { route, methods: instance.instance.methods().to_vec(), ..plugin_state(slot) }
            })
            .collect();
        plugins.extend(table.middlewares.iter().map(|middleware| plugin_state(&middleware.slot)));
        let refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        PluginsState { plugins, refused, missing_middlewares: table.missing_middlewares.clone() }
    }

    /// Looks at the files again; returns when all that is new is loaded or refused.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub(crate) async fn reload(&self) -> Result<(), ControlError> {
        let (done, told) = oneshot::channel();
        self.orders.send(Order::Reload { done }).map_err(|_| ControlError::Stopping)?;
        told.await.map_err(|_| ControlError::Stopping)
    }

    /// Goes back to the newest version that is older than the active one; gives it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn roll_back(&self, kind: Family, name: &str) -> Result<Version, ControlError> {
        self.with_slot(kind, name, |plugin| {
            plugin.roll_back().ok_or_else(|| {
                let active = plugin.version();
                ControlError::Refused(format!(
                    "{name} {active} is the oldest version that is loaded; put an older one beside it first"
                ))
            })
        })
    }

    /// Puts a version into quarantine, the active one if none is given; gives the version that is active then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn quarantine(
        &self,
        kind: Family,
        name: &str,
        version: Option<&Version>,
    ) -> Result<Version, ControlError> {
        self.with_slot(kind, name, |plugin| {
            let version = version.cloned().unwrap_or_else(|| plugin.version());
            match plugin.quarantine(&version) {
                Ok(true) => Ok(plugin.version()),
                Ok(false) => Err(no_such_version(plugin, &version)),
                Err(reason) => Err(ControlError::Refused(format!(
                    "{name} {version} stays: {reason}; to end it, remove its file"
                ))),
            }
        })
    }

    /// Takes a version out of quarantine; gives the version that is active then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn release(
        &self,
        kind: Family,
        name: &str,
        version: &Version,
    ) -> Result<Version, ControlError> {
        self.with_slot(kind, name, |plugin| {
            if plugin.release(version) {
                Ok(plugin.version())
            } else if plugin.versions().contains(version) {
                Err(ControlError::Refused(format!("{name} {version} is not in quarantine")))
            } else {
                Err(no_such_version(plugin, version))
            }
        })
    }

    fn with_slot<R>(
        &self,
        kind: Family,
        name: &str,
        change: impl FnOnce(&dyn Versions) -> Result<R, ControlError>,
    ) -> Result<R, ControlError> {
        let slot: Option<Arc<dyn Versions>> = match kind {
            Family::Handler => find(&self.shared.handlers, name),
            Family::Middleware => find(&self.shared.middlewares, name),
        };
        let what = match kind {
            Family::Handler => "handler",
            Family::Middleware => "middleware",
        };
        let slot = slot.ok_or_else(|| ControlError::NotFound(format!("there is no {what} {name}")))?;
        change(&*slot)
    }
}

/// A slot of either kind.
trait Versions {
    fn name(&self) -> &str;
    fn version(&self) -> Version;
    fn versions(&self) -> Vec<Version>;
    fn roll_back(&self) -> Option<Version>;
    fn quarantine(&self, version: &Version) -> Result<bool, plugin_host::NoOtherVersion>;
    fn release(&self, version: &Version) -> bool;
}

impl<I> Versions for Slot<I> {
    fn name(&self) -> &str {
        Slot::name(self)
    }

    fn version(&self) -> Version {
        Slot::version(self)
    }

    fn versions(&self) -> Vec<Version> {
        Slot::versions(self)
    }

    fn roll_back(&self) -> Option<Version> {
        Slot::roll_back(self)
    }

    fn quarantine(&self, version: &Version) -> Result<bool, plugin_host::NoOtherVersion> {
        Slot::quarantine(self, version)
    }

    fn release(&self, version: &Version) -> bool {
        Slot::release(self, version)
    }
}

fn find<I: 'static>(registry: &Registry<I>, name: &str) -> Option<Arc<dyn Versions>> {
    let slot = registry.slot(name)?;
    Some(slot)
}

fn no_such_version(plugin: &dyn Versions, version: &Version) -> ControlError {
    let loaded: Vec<String> = plugin.versions().iter().map(ToString::to_string).collect();
    ControlError::NotFound(format!(
        "there is no {} {version}; loaded are {}",
        plugin.name(),
        loaded.join(", ")
    ))
}

fn plugin_state<I: Instance>(slot: &Slot<Installed<I>>) -> PluginState {
    let versions = slot.standings().into_iter().rev().map(|(version, installed, standing)| VersionState {
        version: version.to_string(),
        standing: match standing {
            plugin_host::Standing::Active => Standing::Active,
            plugin_host::Standing::Standby => Standing::Standby,
            plugin_host::Standing::Quarantined => Standing::Quarantined,
        },
        path: installed.path().map(ToOwned::to_owned),
        sha256: installed.sha256().map(ToString::to_string),
        target: installed.identity.target.clone(),
        compiler: installed.identity.compiler.clone(),
        unhealthy: installed.instance.health().err().map(|error| error.to_string()),
        calls: installed.calls.state(),
    });
    PluginState {
        kind: I::FAMILY,
        name: slot.name().to_owned(),
        route: None,
        methods: Vec::new(),
        versions: versions.collect(),
    }
}
