//! What an operator may know of the plugins at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// Everything, as of one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PluginsState {
    /// By kind and name; middlewares in the order in which a request meets them.
    pub(crate) plugins: Vec<PluginState>,
    /// Files and versions that are not used, by path.
    pub(crate) refused: Vec<RefusedState>,
    /// Middlewares without which nothing is served, and which are not there.
    pub(crate) missing_middlewares: Vec<String>,
}

/// A plugin with all its versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PluginState {
    pub(crate) kind: Family,
    pub(crate) name: String,
    /// Where it is mounted; a handler whose route belongs to another has none, nor has a middleware.
    pub(crate) route: Option<String>,
    /// The methods it answers; none for a middleware.
    pub(crate) methods: Vec<String>,
    /// The newest first.
    pub(crate) versions: Vec<VersionState>,
}

/// The two kinds of plugin that a web server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Family {
    /// Answers requests.
    Handler,
    /// Stands before and behind the handlers.
    Middleware,
}

/// A version that is loaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionState {
    pub(crate) version: String,
    pub(crate) standing: Standing,
    /// The file it was loaded from; none if it is part of the program.
    #[serde(serialize_with = "as_text_if_any")]
    pub(crate) path: Option<PathBuf>,
    /// Digest of the bytes that were judged and loaded, in hexadecimal.
    pub(crate) sha256: Option<String>,
    pub(crate) target: String,
    pub(crate) compiler: String,
    /// Why it says it cannot do its work at this moment, if so.
    pub(crate) unhealthy: Option<String>,
    pub(crate) calls: CallsState,
}

/// Whether a version is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It is called.
    Active,
    /// It is kept to go back to.
    Standby,
    /// It panicked too often, or an operator said so; it is not called until its file changes or it is released.
    Quarantined,
}

/// What became of the calls of a version since it was loaded. The calls of a middleware are its `before` and `after` together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallsState {
    pub(crate) calls: u64,
    /// Calls that failed, panics among them.
    pub(crate) errors: u64,
    pub(crate) panics: u64,
    /// How long all calls together took, in nanoseconds.
    pub(crate) total_ns: u64,
    /// How many calls took at most so many nanoseconds, and more than the bound below: each bound is a quarter above it or
    /// less, the last is `u64::MAX`. Bounds without a call are left out.
    pub(crate) histogram: BTreeMap<u64, u64>,
}

/// A file that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedState {
    pub(crate) kind: Family,
    /// The file, or for a plugin that is part of the program its name.
    #[serde(serialize_with = "as_text")]
    pub(crate) path: PathBuf,
    /// The stable code of the most fundamental reason.
    pub(crate) code: String,
    /// All reasons, as sentences that name both sides and the cure.
    pub(crate) reason: String,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Handler => "handler",
            Self::Middleware => "middleware",
        })
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "handler" => Ok(Self::Handler),
            "middleware" => Ok(Self::Middleware),
            _ => Err(format!("there is no kind {text:?}; it is handler or middleware")),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Quarantined => "quarantined",
        })
    }
}

/// A path may be no text, and one odd name must not keep all others from being shown.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn as_text_if_any<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(Path::to_string_lossy).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_path_that_is_no_text_is_shown_all_the_same() {
        let path = PathBuf::from(OsStr::from_bytes(b"/a/\xff.so"));
        let refused =
            RefusedState { kind: Family::Handler, path, code: String::new(), reason: String::new() };
        assert!(serde_json::to_string(&refused).unwrap().contains("/a/\u{fffd}.so"));
    }
}
