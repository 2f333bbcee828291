//! Forms of the admin side's answers. Pure.

use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::application::Response;

/// What a [`Refusal`] says.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// Why, as a sentence.
    pub error: String,
}

/// An answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    sentence: String,
    allow: Option<&'static str>,
}

impl Refusal {
    /// With this status, and a sentence that says why.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), allow: None }
    }

    /// 400.
    pub fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// 404 for this path.
    pub fn nothing_at(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("nothing is served at {path}"))
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// As it is sent: JSON, as [`ErrorAnswer`].
    pub fn into_response(self) -> Response {
        let mut response = json(self.status, &ErrorAnswer { error: self.sentence });
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// Lets a request pass if its method is one of `methods`, which are separated by a comma and a space.
///
/// # Errors
/// 405 with `Allow`. RFC 9110, section 15.5.6.
pub fn allow(method: &Method, path: &str, methods: &'static str) -> Result<(), Refusal> {
    if methods.split(", ").any(|allowed| allowed == method.as_str()) {
        return Ok(());
    }
    let sentence = format!("{path} takes {methods} and not {method}");
    Err(Refusal { allow: Some(methods), ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence) })
}

/// JSON with a line break at its end, for terminals.
pub fn json(status: StatusCode, answer: &impl Serialize) -> Response {
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

/// An answer that nobody keeps (`Cache-Control: no-store`).
pub fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
