//! What the admin side answers. Pure.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
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

/// Every answer that is none of these.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorAnswer {
    pub(crate) error: String,
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

/// An answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    sentence: String,
    allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), allow: None }
    }

    pub(super) fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// RFC 9110, section 15.5.6.
    pub(super) fn other_method(method: &Method, path: &str, allow: &'static str) -> Self {
        let sentence = format!("{path} takes {allow} and not {method}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, sentence) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = json(self.status, &ErrorAnswer { error: self.sentence });
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// JSON with a line break at its end, for terminals.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(answer) {
        Ok(text) => respond(status, "application/json", text + "\n"),
        // Only for maps whose keys are no texts, and paths that are not UTF-8.
        Err(error) => respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            "application/json",
            format!(
                "{}\n",
                serde_json::json!({ "error": format!("cannot write the answer as JSON: {error}") })
            ),
        ),
    }
}

pub(super) fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
