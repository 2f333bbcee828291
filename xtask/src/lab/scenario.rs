//! A server that is started inside every host image and driven by a client there.

use anyhow::{Result, bail};
use serde::Deserialize;

use super::artifact::Artifact;
use super::expect::{Expectation, Meeting, Outcome, Special};
use super::platform::Host;
use super::{Lab, Program};

/// What the server is started with, and what should come of it. All of it is of the host's own target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Unique.
    pub(crate) name: String,
    /// What it shows where it works.
    pub(crate) shows: String,
    /// The program that starts the server, asks it, and says what happened.
    pub(crate) client: String,
    /// The program that is started.
    pub(crate) server: String,
    /// Its arguments beside those that name files. Default: what the client gives every server, such as `--port 0`.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// Handlers and middlewares in its plugin root, a cache that it is given by its path, or resolvers through which the client looks up what
    /// it has put into it. None: it is given none.
    #[serde(default)]
    pub(crate) plugins: Vec<String>,
    /// Artifacts that lie there as well, good and bad ones: of each the server does what is expected of the artifact. Where one is not
    /// built for a host's target it is left out.
    #[serde(default)]
    pub(crate) beside: Vec<String>,
    /// Every artifact of every target lies in the plugin root, those of a kind that no server has among the handlers.
    #[serde(default)]
    pub(crate) everything: bool,
    /// What is asked, at least one.
    pub(crate) asks: Vec<Ask>,
    /// Whether the server answers each method and path alike, so that nothing can be asked that it has to refuse.
    #[serde(default)]
    pub(crate) answers_everything: bool,
    /// Signals that it is sent afterwards, and after each of which all is asked again.
    #[serde(default)]
    pub(crate) then: Vec<Then>,
    /// What is expected in every host. Default: works.
    #[serde(default = "Expectation::works")]
    expect: Expectation,
    /// Hosts that expect something else; the first that covers a host wins.
    #[serde(default)]
    on: Vec<Special>,
}

/// A request that a server has to answer; of a client that has resolvers, a host that is to have an upstream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// What is asked for, with `GET`; or the host.
    pub(crate) path: String,
    /// What the answer has to contain; or the upstream.
    pub(crate) answers: String,
}

/// A signal that a server has to act upon.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Then {
    /// HUP, TTIN, TTOU, USR1 or USR2.
    pub(crate) signal: String,
    /// The message that its log has to have then.
    pub(crate) says: String,
}

impl Scenario {
    /// What is expected in `host`.
    pub(crate) fn expectation(&self, host: &Host) -> &Expectation {
        let special = self.on.iter().find(|special| special.covers(Meeting::Home, &host.name));
        special.map_or(&self.expect, |special| &special.expect)
    }

    /// Whether all that it names is in `lab`.
    pub(super) fn check(&self, lab: &Lab) -> Result<()> {
        let name = &self.name;
        for program in [&self.server, &self.client] {
            if !lab.programs.iter().any(|Program { name, .. }| name == program) {
                bail!("scenario {name:?} starts {program:?}, which is no [[program]]; add it");
            }
        }
        for plugin in self.plugins.iter().chain(&self.beside) {
            let Some(artifact) = lab.artifacts.iter().find(|artifact| artifact.name == *plugin) else {
                bail!("scenario {name:?} has plugin {plugin:?}, which is no [[artifact]]; add it");
            };
            let is_beside = self.beside.contains(plugin);
            let folder = if is_beside { plugin_folder(artifact) } else { client_folder(artifact) };
            if folder.is_none() {
                bail!(
                    "scenario {name:?} has plugin {plugin:?}, a {}; a server has handlers and middlewares, or a cache or resolvers \
                     that nothing lies beside",
                    artifact.kind
                );
            }
            let missing = lab.targets.iter().find(|target| !artifact.is_built_for(target));
            if let Some(target) = missing.filter(|_| self.plugins.contains(plugin)) {
                bail!("scenario {name:?} has plugin {plugin:?}, which is not built for {}", target.triple);
            }
        }
        if self.asks.is_empty() {
            bail!("scenario {name:?} asks nothing of its server; add `asks`");
        }
        if self.everything && !(self.plugins.is_empty() && self.beside.is_empty()) {
            bail!("scenario {name:?} has everything in its plugin root; drop `plugins` and `beside`");
        }
        for special in &self.on {
            if !lab.hosts.iter().any(|host| special.covers(Meeting::Home, &host.name)) {
                bail!("scenario {name:?} expects something of {:?}, which is no host's name", special.hosts);
            }
        }
        for expect in self.on.iter().map(|special| &special.expect).chain([&self.expect]) {
            if expect.by_the_host() == Outcome::Refused && expect.alone != Outcome::Refused {
                bail!(
                    "scenario {name:?} expects what a loader does alone; a server loads nothing that it refuses"
                );
            }
        }
        Ok(())
    }
}

/// Where the client puts it: in a plugin root, or where that lies which a server is given by its path, or which the client itself loads.
pub(crate) fn client_folder(artifact: &Artifact) -> Option<&'static str> {
    match artifact.kind.as_str() {
        "cache" => Some("caches"),
        "resolver" => Some("resolvers"),
        _ => plugin_folder(artifact),
    }
}

/// Where in a plugin root it belongs, if it does.
pub(crate) fn plugin_folder(artifact: &Artifact) -> Option<&'static str> {
    match artifact.kind.as_str() {
        "handler" => Some("handlers"),
        "middleware" => Some("middlewares"),
        _ => None,
    }
}
