//! From a plugin's answer to hyper's.

use http_front::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::chain::refusal;

/// A plugin's answer.
pub(crate) struct Answer(pub(crate) plugin_host::Response);

impl IntoResponse for Answer {
    /// What hyper does not take, although the host let it pass, is a 500.
    fn into_response(self, spare: HeaderMap) -> Response {
        build(self.0, spare).unwrap_or_else(|error| {
            tracing::error!(%error, code = "call.invalid-argument", "a response that cannot be sent");
            build(refusal(500), HeaderMap::new()).unwrap_or_default()
        })
    }
}

fn build(answer: plugin_host::Response, mut headers: HeaderMap) -> Result<Response, hyper::http::Error> {
    let status = StatusCode::from_u16(answer.status)?;
    for (name, value) in answer.headers {
        let name = match name.as_str() {
            // Nearly every answer has this one, and finding it among all names takes longer.
            "content-type" => CONTENT_TYPE,
            _ => HeaderName::try_from(name)?,
        };
        headers.append(name, HeaderValue::try_from(value)?);
    }
    // RFC 9110, sections 15.3.5 and 15.4.5: these two have no content.
    let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut response = Response::new(if empty { Default::default() } else { answer.body.into() });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
