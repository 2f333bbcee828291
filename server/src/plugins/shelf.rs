//! The plugins of one kind: which file provides which version, and what became of each file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use plugin_host::trial::Trial;
use plugin_host::{
    Admission, AllowList, Candidate, Host, Judged, Origin, Plugin, Registry, Settings, Sha256Digest,
    log_to_tracing,
};
use semver::Version;

use super::files::{Stamp, better_name};
use super::installed::{Installed, Instance};
use super::state::RefusedState;
use crate::stats::Calls;

/// What plugins of every kind are loaded with.
pub(super) struct Surroundings {
    pub(super) host: Host,
    pub(super) allow_list: Option<AllowList>,
    /// Whether plugins may be loaded whose panics end this process.
    pub(super) allow_abort: bool,
    /// How long loading may take.
    pub(super) load_timeout: Duration,
}

impl Surroundings {
    /// Has this very program, started once more, load a plugin first.
    fn start_trial(&self, judged: &Judged) -> io::Result<Trial> {
        let mut program = Command::new(std::env::current_exe()?);
        judged.start_trial(program.arg(TRIAL), &self.host, self.load_timeout)
    }
}

/// The first argument of a process that is to try a plugin and nothing else.
pub(crate) const TRIAL: &str = "--try-plugin";

/// The plugins of one kind.
pub(super) struct Shelf<I> {
    registry: Arc<Registry<Installed<I>>>,
    /// The settings of each plugin that has some.
    settings: BTreeMap<String, Vec<u8>>,
    admission: Admission,
    files: BTreeMap<PathBuf, Known>,
    /// What is mapped stays mapped, so that a version that comes back does not take memory again.
    mapped: HashMap<Sha256Digest, Plugin>,
    /// Plugins that are part of the program and cannot be used.
    refused_linked: Vec<RefusedState>,
}

/// What is known of a file.
struct Known {
    stamp: Stamp,
    provides: Option<Provided>,
    /// What it provided before it was replaced: kept to go back to, as long as there is a file of that name.
    predecessor: Option<Provided>,
    /// Why its present content is not used.
    refused: Option<RefusedState>,
}

#[derive(Clone, PartialEq, Eq)]
struct Provided {
    name: String,
    version: Version,
    sha256: Sha256Digest,
}

/// What was done with a file so far.
enum Begun {
    /// It contains what it contained before.
    Same(Provided),
    /// It contains what was loaded before, perhaps from another file.
    Mapped(Plugin, Sha256Digest),
    /// It may be loaded, and another process is trying to.
    Judged(Judged, Option<Trial>, Sha256Digest),
}

/// How many processes may try plugins at the same time.
const TRIALS_AT_ONCE: usize = 8;

/// Another file provides the same version of the same plugin.
const DUPLICATE: &str = "plugin.duplicate";

impl<I: Instance> Shelf<I> {
    pub(super) fn new(
        registry: Arc<Registry<Installed<I>>>,
        settings: BTreeMap<String, Vec<u8>>,
        surroundings: &Surroundings,
    ) -> Self {
        let admission = Admission {
            allow_list: surroundings.allow_list.clone(),
            kind: Some(I::KIND),
            allow_abort: surroundings.allow_abort,
        };
        Self {
            registry,
            settings,
            admission,
            files: BTreeMap::new(),
            mapped: HashMap::new(),
            refused_linked: Vec::new(),
        }
    }

    /// Whether `listing` shows something else than was last looked at.
    pub(super) fn differs(&self, listing: &BTreeMap<PathBuf, Stamp>, unsettled: &BTreeSet<PathBuf>) -> bool {
        self.gone(listing).next().is_some() || self.changed(listing, unsettled).next().is_some()
    }

    /// Files that are known and no longer listed.
    fn gone(&self, listing: &BTreeMap<PathBuf, Stamp>) -> impl Iterator<Item = &PathBuf> {
        self.files.keys().filter(|path| !listing.contains_key(*path))
    }

    /// Files that are new or have changed, except those that somebody is writing.
    fn changed<'l>(
        &self,
        listing: &'l BTreeMap<PathBuf, Stamp>,
        unsettled: &BTreeSet<PathBuf>,
    ) -> impl Iterator<Item = (&'l PathBuf, &'l Stamp)> {
        listing.iter().filter(|(path, stamp)| {
            let unchanged = self.files.get(*path).is_some_and(|known| known.stamp == **stamp);
            !unchanged && !unsettled.contains(*path)
        })
    }

    /// Makes the registry follow the files: loads what is new or has changed, and lets go of what is gone, in this order, so
    /// that a plugin whose file was renamed is never missing. `unsettled` are files that somebody is writing.
    pub(super) fn follow(
        &mut self,
        surroundings: &Surroundings,
        listing: &BTreeMap<PathBuf, Stamp>,
        unsettled: &BTreeSet<PathBuf>,
    ) {
        let mut freed = self.forget_missing(listing);
        if !freed.is_empty() {
            // What was a duplicate may be the only one now.
            self.files
                .retain(|_, known| known.refused.as_ref().is_none_or(|refused| refused.code != DUPLICATE));
        }
        let changed: Vec<_> = self.changed(listing, unsettled).collect();
        for some in changed.chunks(TRIALS_AT_ONCE) {
            let begun: Vec<_> = some.iter().map(|(path, _)| self.begin(surroundings, path)).collect();
            for ((path, stamp), begun) in some.iter().zip(begun) {
                self.look_at(surroundings, path, **stamp, begun, &mut freed);
            }
        }
        for free in freed {
            if self.provider_of(&free).is_none() {
                self.registry.remove(&free.name, &free.version);
            }
        }
    }

    /// The file that provides the same version of the same plugin.
    fn provider_of(&self, provided: &Provided) -> Option<&PathBuf> {
        let same = |other: &Provided| (&other.name, &other.version) == (&provided.name, &provided.version);
        let provider = self.files.iter().find(|(_, known)| known.provides.as_ref().is_some_and(same));
        provider.map(|(path, _)| path)
    }

    /// Takes a plugin that is part of the program.
    pub(super) fn take_linked(&mut self, surroundings: &Surroundings, plugin: &Plugin) {
        let outcome = plugin
            .accept(surroundings.host.environment())
            .map_err(|error| Refusal::of_error(error.accept_code(), error))
            .and_then(|()| self.install(surroundings, plugin, Origin::Linked));
        if let Err(refusal) = outcome {
            let refused = refusal.of::<I>(Path::new(&plugin.identity().name));
            self.refused_linked.push(refused);
        }
    }

    /// What is not used, by path.
    pub(super) fn refused(&self) -> impl Iterator<Item = &RefusedState> {
        self.refused_linked.iter().chain(self.files.values().filter_map(|known| known.refused.as_ref()))
    }

    /// Forgets files that are gone; gives what they provided.
    fn forget_missing(&mut self, listing: &BTreeMap<PathBuf, Stamp>) -> Vec<Provided> {
        let gone: Vec<PathBuf> = self.gone(listing).cloned().collect();
        let known = gone.iter().filter_map(|path| {
            tracing::info!(path = %path.display(), "plugin file is gone");
            self.files.remove(path)
        });
        known.flat_map(|known| known.provides.into_iter().chain(known.predecessor)).collect()
    }

    /// Ends what was begun with a file that is new or has changed.
    fn look_at(
        &mut self,
        surroundings: &Surroundings,
        path: &Path,
        stamp: Stamp,
        begun: Result<Begun, Refusal>,
        freed: &mut Vec<Provided>,
    ) {
        let before = self.files.remove(path);
        let provided = before.as_ref().and_then(|known| known.provides.clone());
        let outcome = begun.and_then(|begun| self.provide(surroundings, path, begun));
        let rewritten = before.as_ref().is_some_and(|known| known.stamp.is_same_file(&stamp));
        if rewritten && provided.is_some() && outcome.as_ref().ok() != provided.as_ref() {
            tracing::warn!(
                path = %path.display(),
                "the file was rewritten in place while it was in use; nothing broke, because what runs is a copy in memory, but \
                 write to another name and rename, so that nobody ever sees half of it"
            );
        }
        let mut known = before.unwrap_or(Known { stamp, provides: None, predecessor: None, refused: None });
        known.stamp = stamp;
        match outcome {
            Ok(new) => {
                if let Some(old) = known.provides.replace(new.clone()).filter(|old| *old != new) {
                    // One older version is kept. A newer one must go, or replacing it by an older one would do nothing.
                    let is_older = old.name == new.name && old.version < new.version;
                    let (kept, gone) = if is_older { (Some(old), None) } else { (None, Some(old)) };
                    freed.extend(gone.into_iter().chain(std::mem::replace(&mut known.predecessor, kept)));
                }
                known.refused = None;
            }
            Err(refusal) => {
                if let Some(Provided { name, version, .. }) = &known.provides {
                    tracing::warn!(plugin = %name, %version, path = %path.display(), "what was loaded from the file before stays in use");
                }
                known.refused = Some(refusal.of::<I>(path));
            }
        }
        self.files.insert(path.to_owned(), known);
    }

    /// Begins to load a file: all that can be done for several at once.
    fn begin(&self, surroundings: &Surroundings, path: &Path) -> Result<Begun, Refusal> {
        let candidate = Candidate::read(path).map_err(|error| Refusal::of_error(error.code(), error))?;
        let sha256 = *candidate.sha256();
        let provided = self.files.get(path).and_then(|known| known.provides.as_ref());
        if let Some(same) = provided.filter(|provided| provided.sha256 == sha256) {
            return Ok(Begun::Same(same.clone()));
        }
        if let Some(mapped) = self.mapped.get(&sha256) {
            return Ok(Begun::Mapped(mapped.clone(), sha256));
        }
        let judged = candidate
            .judge(&surroundings.host, &self.admission)
            .map_err(|error| Refusal::of_error(error.code(), error))?;
        let trial = surroundings.start_trial(&judged).inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "the plugin could not be tried in another process first"),
        );
        Ok(Begun::Judged(judged, trial.ok(), sha256))
    }

    /// Has the registry provide what a file contains.
    fn provide(
        &mut self,
        surroundings: &Surroundings,
        path: &Path,
        begun: Begun,
    ) -> Result<Provided, Refusal> {
        let (plugin, sha256) = match begun {
            Begun::Same(same) => return Ok(same),
            Begun::Mapped(plugin, sha256) => (plugin, sha256),
            Begun::Judged(judged, trial, sha256) => {
                trial.map_or(Ok(()), Trial::wait).map_err(|error| Refusal::of_error(error.code(), error))?;
                let plugin = judged
                    .load(&surroundings.host)
                    .map_err(|error| Refusal::of_error(error.code(), error))?;
                (plugin, sha256)
            }
        };
        self.mapped.insert(sha256, plugin.clone());
        let identity = plugin.identity();
        let new = Provided { name: identity.name.clone(), version: identity.version.clone(), sha256 };
        if let Some(other) = self.provider_of(&new) {
            let (name, version, other) = (&new.name, &new.version, other.display());
            return Err(Refusal {
                code: DUPLICATE.to_owned(),
                reason: format!("{other} is {name} {version} already; remove one of the two"),
            });
        }
        self.install(surroundings, &plugin, Origin::File { path: path.to_owned(), sha256 })?;
        if let Some(expected) = better_name(path, identity) {
            tracing::warn!(path = %path.display(), expected, "the file's name says something else than the plugin");
        }
        Ok(new)
    }

    fn install(&self, surroundings: &Surroundings, plugin: &Plugin, origin: Origin) -> Result<(), Refusal> {
        let identity = plugin.identity();
        let (name, version) = (&identity.name, &identity.version);
        let config = self.settings.get(name).cloned().unwrap_or_default();
        let settings = Settings { config, log: Some(log_to_tracing), ..Settings::default() };
        let instance = I::create(plugin, surroundings.host.environment(), &settings)
            .map_err(|error| Refusal::of_error(error.code(), error))?;
        let path = match &origin {
            Origin::File { path, .. } => path.display().to_string(),
            Origin::Linked => "linked".to_owned(),
        };
        tracing::info!(
            plugin = %name, %version, path, kind = I::KIND.name(), target = %identity.target,
            compiler = %identity.compiler, "loaded"
        );
        for remark in plugin.remarks() {
            tracing::warn!(plugin = %name, %version, path, remark, "loaded, but");
        }
        let installed = Installed { instance, identity: identity.clone(), origin, calls: Calls::new() };
        self.registry.publish(name, version.clone(), installed);
        Ok(())
    }
}

/// Why a plugin is not used.
struct Refusal {
    code: String,
    reason: String,
}

impl Refusal {
    fn of_error(code: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { code: code.to_owned(), reason: format!("{:#}", anyhow::Error::new(error)) }
    }

    /// Logs it, and gives it the form in which operators are told.
    fn of<I: Instance>(self, path: &Path) -> RefusedState {
        tracing::error!(path = %path.display(), code = self.code, reason = self.reason, "plugin refused");
        RefusedState { kind: I::FAMILY, path: path.to_owned(), code: self.code, reason: self.reason }
    }
}
