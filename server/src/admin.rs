//! The admin side: what operators see and order, over HTTP, on a listener of its own.

mod answer;
mod metrics;
mod perform;
mod request;

pub(crate) use answer::{ChangeAnswer, HealthAnswer, PluginsAnswer, RefusedAnswer, ReloadAnswer};
pub(crate) use perform::View;

/// Whose name the socket has if nobody said where it is to be: the server's, under whatever name the program runs.
pub(crate) const PROGRAM: &str = "dyn-server";

#[cfg(test)]
pub(crate) mod tests {
    use crate::plugins::{CallsState, Family, PluginState, RefusedState, Standing, VersionState};

    pub(crate) fn plugin(name: &str, versions: Vec<VersionState>) -> PluginState {
        let methods = vec!["GET".to_owned()];
        PluginState {
            kind: Family::Handler,
            name: name.to_owned(),
            route: Some("/a".to_owned()),
            methods,
            versions,
        }
    }

    pub(crate) fn version(version: &str, standing: Standing) -> VersionState {
        VersionState {
            version: version.to_owned(),
            standing,
            path: Some("/plugins/handlers/a.so".into()),
            sha256: Some("00".repeat(32)),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            compiler: "rustc 1.96.0".to_owned(),
            unhealthy: None,
            calls: CallsState::default(),
        }
    }

    pub(crate) fn refused(path: &str, code: &str) -> RefusedState {
        RefusedState {
            kind: Family::Handler,
            path: path.into(),
            code: code.to_owned(),
            reason: "no".to_owned(),
        }
    }
}
