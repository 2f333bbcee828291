//! The plugins of this process, and the thread that changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use clap::ValueEnum;
use plugin_host::{
    AllowList, FaultPolicy, HandlerInstance, Host, Kind, MiddlewareInstance, Plugin, Registry, RegistryEvent,
};
use serde::Deserialize;

use super::control::{Control, Order};
use super::files::{self, Stamp};
use super::installed::{Installed, Instance};
use super::shelf::{Shelf, Surroundings};
use super::state::RefusedState;
use super::table::Table;
use super::watch;
use crate::PluginSource;
use crate::options::{Options, PluginOptions};

/// What to do when the files below the plugin root change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnChange {
    /// Load what is new, and change over without dropping or delaying a request.
    Swap,
    /// Let open requests finish and exit with status 75, to be started anew.
    Exit,
    /// Nothing; an operator may still order a reload.
    Ignore,
}

/// What is done with `--on-change exit` when files have changed; again every few seconds as long as it has not led to an end.
pub(crate) type Leave = Box<dyn FnMut() + Send>;

/// What every thread may look at.
pub(super) struct Shared {
    pub(super) handlers: Arc<Registry<Installed<HandlerInstance>>>,
    pub(super) middlewares: Arc<Registry<Installed<MiddlewareInstance>>>,
    pub(super) table: Arc<ArcSwap<Table>>,
    /// What is not used, by path.
    pub(super) refused: Mutex<Vec<RefusedState>>,
}

/// The plugins of this process.
pub(crate) struct Deployment {
    shared: Arc<Shared>,
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Deployment {
    /// Loads all plugins of `source`, and starts the thread that will change them. A plugin that cannot be used never keeps the
    /// server from starting.
    ///
    /// # Errors
    /// If plugin root or allow-list cannot be read, or this process not be judged against.
    pub(crate) fn start(options: &Options, source: PluginSource, leave: Leave) -> anyhow::Result<Self> {
        let (orders, inbox) = channel();
        let root = match source {
            PluginSource::Folder => Some(plugin_root(options)?),
            PluginSource::Linked(_) => {
                if let Some(root) = &options.plugin_root {
                    tracing::warn!(root = %root.display(), "the plugin root is left alone, the plugins are part of this program");
                }
                None
            }
        };
        // Each plugin has one as long as the process lives: that of the sealed copy which it was mapped from.
        http_front::descriptors::raise_limit();
        // Before the first look at the files, so that no change falls between.
        if let Some(root) = root.as_deref().filter(|_| options.on_change != OnChange::Ignore) {
            watch::start(root, orders.clone())?;
        }
        let surroundings = Surroundings {
            host: Host::of_this_process(options.labels.clone())
                .context("cannot read the facts of this host, which plugins are judged against")?,
            allow_list: read_allow_list(options)?,
            allow_abort: options.allow_abort,
            load_timeout: options.load_timeout,
        };
        let policy = FaultPolicy { threshold: options.panic_limit, window: options.panic_window };
        let changed = Arc::new(AtomicBool::new(false));
        let listen = |kind| listener(kind, orders.clone(), Arc::clone(&changed));
        let handlers = Arc::new(Registry::new(policy, listen(Kind::Handler)));
        let middlewares = Arc::new(Registry::new(policy, listen(Kind::Middleware)));
        // Empty; what is missing is told when the files were looked at.
        let table = Table::lay_out(&handlers, &middlewares, &PluginOptions::default(), None);
        let PluginOptions { handlers: of_handlers, middlewares: of_middlewares, .. } =
            options.plugins.clone();
        let of_handlers = of_handlers.into_iter().map(|(name, options)| (name, options.settings.0)).collect();
        let of_middlewares =
            of_middlewares.into_iter().map(|(name, options)| (name, options.settings.0)).collect();
        let mut work = Work {
            handlers: Shelf::new(Arc::clone(&handlers), of_handlers, &surroundings),
            middlewares: Shelf::new(Arc::clone(&middlewares), of_middlewares, &surroundings),
            surroundings,
            shared: Arc::new(Shared {
                handlers,
                middlewares,
                table: Arc::new(ArcSwap::from_pointee(table)),
                refused: Mutex::new(Vec::new()),
            }),
            options: options.plugins.clone(),
            root,
            changed,
            exit: (options.on_change == OnChange::Exit).then_some(leave),
        };
        if let PluginSource::Linked(plugins) = source {
            work.take_linked(plugins)?;
        }
        work.follow_files(&BTreeSet::new());
        work.point_out_absent();
        let shared = Arc::clone(&work.shared);
        let thread = thread::Builder::new()
            .name("plugins".to_owned())
            .spawn(move || work.run(&inbox))
            .context("cannot start a thread")?;
        Ok(Self { shared, orders, thread })
    }

    /// What requests look at.
    pub(crate) fn table(&self) -> Arc<ArcSwap<Table>> {
        Arc::clone(&self.shared.table)
    }

    /// For operators.
    pub(crate) fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared), self.orders.clone())
    }

    /// Ends the instances, once nobody calls them any more, so that each may put in order what it has; waits at most
    /// `patience` for that.
    pub(crate) fn end(self, patience: Duration) {
        let (ended, wait) = channel();
        let Self { shared, orders, thread } = self;
        drop(shared);
        // Who does not receive is gone already.
        let _ = orders.send(Order::End { ended });
        if wait.recv_timeout(patience).is_ok() {
            let _ = thread.join();
        } else {
            tracing::warn!("some plugins did not end in time");
        }
    }
}

/// What the thread of the deployment works with.
struct Work {
    surroundings: Surroundings,
    handlers: Shelf<HandlerInstance>,
    middlewares: Shelf<MiddlewareInstance>,
    shared: Arc<Shared>,
    options: PluginOptions,
    root: Option<PathBuf>,
    /// Whether the registries have changed since the table was laid out; an order to look is on its way then.
    changed: Arc<AtomicBool>,
    /// If a change of the files ends the process.
    exit: Option<Leave>,
}

impl Work {
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            match order {
                // Told also every few seconds, whatever happened.
                Order::FilesChanged { unsettled } if !self.files_differ(&unsettled) => {}
                Order::FilesChanged { unsettled } => match &mut self.exit {
                    None => self.follow_files(&unsettled),
                    Some(leave) => leave(),
                },
                Order::RegistryChanged if !self.changed.load(Ordering::Acquire) => {}
                Order::RegistryChanged => self.lay_out(),
                Order::Reload { done } => {
                    self.follow_files(&BTreeSet::new());
                    let _ = done.send(());
                }
                Order::End { ended } => {
                    drop(self);
                    let _ = ended.send(());
                    return;
                }
            }
        }
    }

    /// Takes the handlers, and of the middlewares those that the options name: nobody can leave a linked one away as one leaves
    /// a file away.
    fn take_linked(&mut self, plugins: &[&plugin_host::StaticPlugin]) -> anyhow::Result<()> {
        for plugin in plugins {
            let plugin = Plugin::linked(plugin).context("a plugin that is part of this program is wrong")?;
            match plugin.identity().kind {
                Kind::Middleware if !self.options.names_middleware(&plugin.identity().name) => {}
                Kind::Handler => self.handlers.take_linked(&self.surroundings, &plugin),
                Kind::Middleware => self.middlewares.take_linked(&self.surroundings, &plugin),
                other => bail!("{} is a {} and of no use here", plugin.identity().name, other.name()),
            }
        }
        Ok(())
    }

    fn follow_files(&mut self, unsettled: &BTreeSet<PathBuf>) {
        if let Some(listing) = self.listing::<HandlerInstance>() {
            self.handlers.follow(&self.surroundings, &listing, unsettled);
        }
        if let Some(listing) = self.listing::<MiddlewareInstance>() {
            self.middlewares.follow(&self.surroundings, &listing, unsettled);
        }
        self.lay_out();
    }

    /// A section of the configuration file whose plugin is not there may well be a misspelt name.
    fn point_out_absent(&self) {
        let required = self.options.required_middlewares();
        let handlers = self.options.handlers.keys().filter(|name| self.shared.handlers.slot(name).is_none());
        let middlewares = self.options.middlewares.keys().filter(|name| {
            self.shared.middlewares.slot(name).is_none() && !required.contains(&name.as_str())
        });
        for name in handlers.chain(middlewares) {
            tracing::warn!(
                plugin = name,
                "the configuration file has settings for a plugin that is not there"
            );
        }
    }

    fn files_differ(&self, unsettled: &BTreeSet<PathBuf>) -> bool {
        let handlers = self.listing::<HandlerInstance>();
        let middlewares = self.listing::<MiddlewareInstance>();
        handlers.is_some_and(|listing| self.handlers.differs(&listing, unsettled))
            || middlewares.is_some_and(|listing| self.middlewares.differs(&listing, unsettled))
    }

    /// The files of a kind; `None` if there is no folder to look at, or it cannot be read: what is loaded stays then.
    fn listing<I: Instance>(&self) -> Option<BTreeMap<PathBuf, Stamp>> {
        let folder = self.root.as_ref()?.join(I::FOLDER);
        files::list(&folder)
            .inspect_err(|error| {
                tracing::error!(folder = %folder.display(), %error, "cannot read the folder; what is loaded stays in use");
            })
            .ok()
    }

    /// Publishes how things stand.
    fn lay_out(&self) {
        // Before looking: what changes from here on is told anew.
        self.changed.swap(false, Ordering::AcqRel);
        let Shared { handlers, middlewares, table, refused } = &*self.shared;
        let before = table.load_full();
        let new = Table::lay_out(handlers, middlewares, &self.options, Some(&before));
        for conflict in new.conflicts.iter().filter(|conflict| !before.conflicts.contains(conflict)) {
            tracing::error!(path = %conflict.path.display(), code = conflict.code, reason = conflict.reason, "plugin refused");
        }
        for name in new.missing_middlewares.iter().filter(|name| !before.missing_middlewares.contains(name)) {
            tracing::error!(
                middleware = name,
                "a required middleware is not there; requests are refused until it is, or until `required = false` is set for it"
            );
        }
        let mut all: Vec<RefusedState> =
            self.handlers.refused().chain(self.middlewares.refused()).cloned().collect();
        all.extend(new.conflicts.iter().cloned());
        all.sort_by(|one, other| one.path.cmp(&other.path));
        *refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = all;
        table.store(Arc::new(new));
    }
}

fn plugin_root(options: &Options) -> anyhow::Result<PathBuf> {
    let Some(root) = &options.plugin_root else {
        bail!("no plugin root is given; name a folder with --plugin-root or SERVER_PLUGIN_ROOT");
    };
    if !root.is_dir() {
        bail!(
            "the plugin root {} is not a folder; make it, or name another with --plugin-root or SERVER_PLUGIN_ROOT",
            root.display()
        );
    }
    if !root.join(HandlerInstance::FOLDER).is_dir() {
        tracing::warn!(root = %root.display(), "there is no folder of handlers, so there is nothing to serve");
    }
    Ok(root.clone())
}

fn read_allow_list(options: &Options) -> anyhow::Result<Option<AllowList>> {
    let Some(path) = &options.allow_list else { return Ok(None) };
    let wrong = || format!("cannot use the allow-list {}", path.display());
    let text = fs::read_to_string(path).with_context(wrong)?;
    Ok(Some(AllowList::parse(&text).with_context(wrong)?))
}

/// Logs what happens to the plugins of a kind, and has the table laid out anew: another version may want another route. Once for all that happens until
/// then, as a thousand plugins that appear together would otherwise be laid out a thousand times.
fn listener(
    kind: Kind,
    orders: Sender<Order>,
    changed: Arc<AtomicBool>,
) -> impl Fn(&RegistryEvent) + Send + Sync {
    move |event| {
        let kind = kind.name();
        match event {
            RegistryEvent::Quarantined { plugin, version, panics: Some(panics) } => {
                tracing::error!(plugin, %version, kind, panics, "quarantined, it panicked too often");
            }
            RegistryEvent::Activated { plugin, version, instead_of: Some(other) } if version < other => {
                tracing::warn!(plugin, %version, kind, instead_of = %other, "activated");
            }
            RegistryEvent::Activated { plugin, version, instead_of: Some(other) } => {
                tracing::info!(plugin, %version, kind, instead_of = %other, "activated");
            }
            RegistryEvent::Activated { plugin, version, .. } => {
                tracing::info!(plugin, %version, kind, "activated");
            }
            other => tracing::info!(kind, "{other}"),
        }
        if !changed.swap(true, Ordering::AcqRel) {
            // Nobody receives any more only when the process ends.
            let _ = orders.send(Order::RegistryChanged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changes_are_one_order_until_somebody_looks() {
        let (orders, inbox) = channel();
        let changed = Arc::new(AtomicBool::new(false));
        let listener = listener(Kind::Handler, orders, Arc::clone(&changed));
        let event =
            RegistryEvent::Released { plugin: "ip".to_owned(), version: semver::Version::new(1, 0, 0) };
        for _ in 0..2 {
            for _ in 0..1000 {
                listener(&event);
            }
            assert_eq!(inbox.try_iter().count(), 1);
            changed.store(false, Ordering::Release);
        }
    }
}
