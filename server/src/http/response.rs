//! From a plugin's answer to hyper's.

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::chain::refusal;

/// The answer as hyper sends it, `head_only` for a HEAD. What hyper does not take, although the host let it pass, is a 500.
///
/// `headers` is empty and is used for its memory.
pub(super) fn to_http(
    answer: plugin_host::Response,
    head_only: bool,
    headers: HeaderMap,
) -> Response<Full<Bytes>> {
    let mut response = build(answer, headers).unwrap_or_else(|error| {
        tracing::error!(%error, code = "call.invalid-argument", "a response that cannot be sent");
        build(refusal(500), HeaderMap::new()).unwrap_or_default()
    });
    if head_only {
        // RFC 9110, section 9.3.2: the fields as for GET, the content's length among them.
        let length = response.body().size_hint().exact().unwrap_or(0);
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        *response.body_mut() = Full::default();
    }
    response
}

fn build(
    answer: plugin_host::Response,
    mut headers: HeaderMap,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
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
    let mut response = Response::new(if empty { Full::default() } else { Full::from(answer.body) });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
