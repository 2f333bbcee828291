//! `load`: the whole way of a host, from the file on disk to one call.

use std::error::Error;
use std::path::PathBuf;

use plugin_host::{Admission, AllowList, Host, LoadError, load};
use serde::Serialize;

use crate::exercise::{self, Exercise};
use crate::observe::with_source;
use crate::report::{Observation, Stage};

/// What `load` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) file: PathBuf,
    /// File of SHA-256 sums; all plugins are allowed if not given.
    pub(crate) allow_list: Option<PathBuf>,
    pub(crate) labels: Vec<(String, String)>,
    /// Whether plugins are loaded whose panics end the process.
    pub(crate) allow_abort: bool,
    pub(crate) exercise: Exercise,
}

/// An observation with the judge's reasons.
#[derive(Serialize)]
pub(crate) struct Loaded {
    #[serde(flatten)]
    observation: Observation,
    reasons: Vec<plugin_compat::Reason>,
}

/// Loads one plugin as a host does and calls it once. An error is one of the probe's own means.
pub(crate) fn run(options: Options) -> Result<Loaded, String> {
    let allow_list = options.allow_list.map(read_allow_list).transpose()?;
    let host = Host::of_this_process(options.labels.into_iter().collect())
        .map_err(|error| format!("cannot read the facts of this host: {}", with_source(&error)))?;
    let admission = Admission { allow_list, kind: None, allow_abort: options.allow_abort };
    let plugin = match load(&host, &admission, &options.file) {
        Ok(plugin) => plugin,
        Err(error) => return Ok(not_loaded(&error)),
    };
    let observation = exercise::create_and_call(&plugin, host.environment(), &options.exercise, &mut |_| ())
        .map_or_else(|declined| declined, Observation::works);
    Ok(Loaded { observation, reasons: Vec::new() })
}

fn read_allow_list(path: PathBuf) -> Result<AllowList, String> {
    let wrong = |error: &dyn Error| format!("cannot use the allow-list {}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    AllowList::parse(&text).map_err(|error| wrong(&error))
}

fn not_loaded(error: &LoadError) -> Loaded {
    let stage = match error {
        LoadError::Distrusted(_) | LoadError::NotAllowed { .. } => Stage::Trust,
        LoadError::Refused { .. } => Stage::Judge,
        LoadError::Map { .. } => Stage::Dlopen,
        LoadError::Entry { source, .. } if source.code() == "entry.missing" => Stage::Entry,
        LoadError::Entry { .. } => Stage::Descriptor,
        LoadError::Accept { .. } => Stage::Accept,
        _ => Stage::Open,
    };
    let observation = match error {
        LoadError::Accept { source, .. } => exercise::not_accepted(source),
        _ => Observation::refused(stage, Some(error.code()), with_source(error)),
    };
    Loaded { observation, reasons: error.reasons().to_vec() }
}
