//! From a file to a cache: trusted, judged, tried in another process, loaded, made.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use plugin_host::trial::TrialError;
use plugin_host::{
    Admission, CacheInstance, Candidate, CreateError, Host, Kind, LoadError, PluginIdentity, Settings,
    log_to_tracing,
};

/// What is loaded, and how.
#[derive(Clone)]
pub struct CachePlugin {
    /// The plugin's file.
    pub path: PathBuf,
    /// Which of its factories makes the cache; the first if empty.
    pub factory: String,
    /// What it is given, in its own format. Never shown: there may be a password in it.
    pub settings: String,
    /// How long another process may take to load it.
    pub load_timeout: Duration,
    /// Whether it may be one whose panics end this process.
    pub allow_abort: bool,
}

/// A cache that is ready.
#[derive(Debug)]
pub struct Loaded {
    /// The cache.
    pub instance: CacheInstance,
    /// What plugin it is of.
    pub identity: PluginIdentity,
}

/// The first argument of a process that is to try a plugin and nothing else: see [`plugin_host::trial`].
pub(crate) const TRIAL: &str = "--try-plugin";

/// Why there is no cache. The sources say it in full.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// What this process is could not be found out.
    #[error("cannot find out what this host is")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file is no plugin that can be loaded here, or no cache.
    #[error("the cache plugin is refused ({})", .0.code())]
    Refused(#[source] LoadError),
    /// Loading it ends a process.
    #[error("the cache plugin is refused ({})", .0.code())]
    Tried(#[source] TrialError),
    /// It makes no cache.
    #[error("the cache plugin {} cannot be used ({})", path.display(), source.code())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CreateError,
    },
}

/// Loads a plugin as `dyn-server` does, and makes a cache of it.
///
/// # Errors
/// [`CacheError`]; the program cannot do what it was asked for.
pub fn load(plugin: &CachePlugin) -> Result<Loaded, CacheError> {
    let host = Host::of_this_process(BTreeMap::new()).map_err(|error| CacheError::Host(error.into()))?;
    let admission =
        Admission { kind: Some(Kind::Cache), allow_abort: plugin.allow_abort, ..Admission::default() };
    let judged = Candidate::read(&plugin.path)
        .and_then(|candidate| candidate.judge(&host, &admission))
        .map_err(CacheError::Refused)?;
    let trial =
        this_program().and_then(|mut program| judged.start_trial(&mut program, &host, plugin.load_timeout));
    match trial {
        Ok(trial) => trial.wait().map_err(CacheError::Tried)?,
        Err(error) => {
            tracing::warn!(path = %plugin.path.display(), %error, "the plugin could not be tried in another process first");
        }
    }
    let loaded = judged.load(&host).map_err(CacheError::Refused)?;
    let identity = loaded.identity().clone();
    let settings = Settings {
        config: plugin.settings.clone().into_bytes(),
        factory: Some(plugin.factory.clone()).filter(|name| !name.is_empty()),
        log: Some(log_to_tracing),
    };
    let instance = CacheInstance::create(&loaded, host.environment(), &settings)
        .map_err(|source| CacheError::Create { path: plugin.path.clone(), source })?;
    let factories = loaded.factories().collect::<Vec<_>>().join(",");
    tracing::info!(
        plugin = %identity.name, version = %identity.version, path = %plugin.path.display(), factories,
        factory = settings.factory.as_deref().or(loaded.factories().next()), target = %identity.target,
        compiler = %identity.compiler, "cache plugin loaded"
    );
    for remark in loaded.remarks() {
        tracing::warn!(plugin = %identity.name, path = %plugin.path.display(), remark, "loaded, but");
    }
    Ok(Loaded { instance, identity })
}

fn this_program() -> io::Result<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    program.arg(TRIAL);
    Ok(program)
}

impl Debug for CachePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = if self.settings.is_empty() { "none" } else { "not shown" };
        let path: &Path = &self.path;
        f.debug_struct("CachePlugin")
            .field("path", &path)
            .field("factory", &self.factory)
            .field("settings", &settings)
            .field("load_timeout", &self.load_timeout)
            .field("allow_abort", &self.allow_abort)
            .finish()
    }
}
