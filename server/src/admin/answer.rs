//! What the admin side answers. Pure.

use serde::{Deserialize, Serialize};

use crate::plugins::{PluginState, PluginsState, RefusedState, Standing};

/// `GET /plugins`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PluginsAnswer {
    pub(crate) plugins: Vec<PluginState>,
    pub(crate) missing_middlewares: Vec<String>,
}

/// `GET /refused`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RefusedAnswer {
    pub(crate) refused: Vec<RefusedState>,
}

/// `GET /health`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthAnswer {
    /// The server runs and can say so.
    pub(crate) live: bool,
    /// It serves as it is meant to: there are no problems.
    pub(crate) healthy: bool,
    pub(crate) problems: Vec<String>,
}

/// `POST /reload`: what is there now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReloadAnswer {
    /// Versions that are loaded.
    pub(crate) loaded: usize,
    /// Files and versions that are not used.
    pub(crate) refused: usize,
}

impl ReloadAnswer {
    pub(super) fn of(state: &PluginsState) -> Self {
        let loaded = state.plugins.iter().map(|plugin| plugin.versions.len()).sum();
        Self { loaded, refused: state.refused.len() }
    }
}

/// `POST` to a plugin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangeAnswer {
    /// The version that is called now.
    pub(crate) active: String,
}

/// Whether the server is healthy, and if not, why.
pub(super) fn health(state: &PluginsState, stopping: bool) -> HealthAnswer {
    let mut problems = Vec::new();
    if stopping {
        problems.push("the server is stopping".to_owned());
    }
    for name in &state.missing_middlewares {
        problems
            .push(format!("the middleware {name} is required and not there, so every request is refused"));
    }
    for plugin in &state.plugins {
        for version in plugin.versions.iter().filter(|version| version.standing == Standing::Active) {
            if let Some(reason) = &version.unhealthy {
                let kind = plugin.kind;
                problems
                    .push(format!("the {kind} {} {} is unhealthy: {reason}", plugin.name, version.version));
            }
        }
    }
    HealthAnswer { live: true, healthy: problems.is_empty(), problems }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::tests::{plugin, version};

    #[test]
    fn only_what_is_called_counts_for_health() {
        let unhealthy = |standing| {
            let mut version = version("1.0.0", standing);
            version.unhealthy = Some("no database".to_owned());
            PluginsState { plugins: vec![plugin("a", vec![version])], ..PluginsState::default() }
        };
        let missing =
            PluginsState { missing_middlewares: vec!["auth".to_owned()], ..PluginsState::default() };
        let cases = [
            (PluginsState::default(), false, None),
            (PluginsState::default(), true, Some("the server is stopping")),
            (unhealthy(Standing::Standby), false, None),
            (unhealthy(Standing::Quarantined), false, None),
            (unhealthy(Standing::Active), false, Some("the handler a 1.0.0 is unhealthy: no database")),
            (
                missing,
                false,
                Some("the middleware auth is required and not there, so every request is refused"),
            ),
        ];
        for (state, stopping, problem) in cases {
            let answer = health(&state, stopping);
            assert_eq!(answer.problems, Vec::from_iter(problem));
            assert_eq!(answer.healthy, problem.is_none());
            assert!(answer.live);
        }
    }
}
