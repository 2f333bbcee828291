//! Preflights: a browser asks whether a request would be welcome before it sends it.

use crate::policy::{Allowed, Policy};
use crate::settings::is_token;
use crate::{origin_of, ALLOW_CREDENTIALS, ALLOW_ORIGIN, ORIGIN};
use plugin_sdk::{Error, Request};

const REQUEST_METHOD: &str = "access-control-request-method";
const REQUEST_HEADERS: &str = "access-control-request-headers";
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";

/// What a preflight asks.
#[derive(Debug)]
pub(crate) struct Preflight<'a> {
    /// Absent if it is sent twice: that is nobody's.
    pub(crate) origin: Option<&'a [u8]>,
    pub(crate) method: &'a [u8],
    /// Names of fields in a list, in however many lines it came.
    pub(crate) headers: Vec<&'a [u8]>,
    /// From a public to a private network (<https://wicg.github.io/private-network-access/>).
    pub(crate) private_network: bool,
}

/// The preflight that a request is, if it is one: any other `OPTIONS` is meant for the handler.
pub(crate) fn asked<'a>(request: &Request<'a>) -> Result<Option<Preflight<'a>>, Error> {
    if request.method()? != "OPTIONS" || request.header(ORIGIN).is_none() {
        return Ok(None);
    }
    let Some(method) = request.header(REQUEST_METHOD) else { return Ok(None) };
    let headers = request.headers().filter(|(name, _)| *name == REQUEST_HEADERS.as_bytes());
    Ok(Some(Preflight {
        origin: origin_of(request),
        method,
        headers: headers.map(|(_, value)| value).collect(),
        private_network: request.header(REQUEST_PRIVATE_NETWORK) == Some(b"true"),
    }))
}

/// The fields of the answer. What is not granted is not mentioned; the browser compares.
pub(crate) fn answer(policy: &Policy, asked: &Preflight<'_>) -> Vec<(&'static str, Vec<u8>)> {
    // Without these fields it would be another request with another answer, so all of them count, whatever they say.
    let mut vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers".to_owned();
    if policy.private_network {
        vary.push_str(", Access-Control-Request-Private-Network");
    }
    let mut fields = vec![("vary", vary.into_bytes())];
    let Some(origin) = asked.origin.filter(|origin| policy.origins.allows(origin)) else { return fields };
    let mut field = |name, value: &[u8]| fields.push((name, value.to_vec()));
    field(ALLOW_ORIGIN, policy.allow_origin(origin).unwrap_or(b"*"));
    if policy.credentials {
        field(ALLOW_CREDENTIALS, b"true");
    }
    match &policy.methods {
        Allowed::Listed(methods) => field("access-control-allow-methods", methods.as_bytes()),
        Allowed::Mirrored if is_token(asked.method) => field("access-control-allow-methods", asked.method),
        Allowed::Mirrored => {}
    }
    match &policy.headers {
        Allowed::Listed(headers) if headers.is_empty() => {}
        Allowed::Listed(headers) => field("access-control-allow-headers", headers.as_bytes()),
        Allowed::Mirrored => {
            if let Some(headers) = repeated(&asked.headers) {
                field("access-control-allow-headers", &headers);
            }
        }
    }
    if let Some(seconds) = &policy.max_age {
        field("access-control-max-age", seconds.as_bytes());
    }
    if policy.private_network && asked.private_network {
        field("access-control-allow-private-network", b"true");
    }
    fields
}

/// A list of names that came from outside, safe to repeat; `None` if it is empty or something else than names.
fn repeated(lines: &[&[u8]]) -> Option<Vec<u8>> {
    let names: Vec<&[u8]> = lines
        .iter()
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(|name| {
            let start = name.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(name.len());
            let end = name.iter().rposition(|byte| !b" \t".contains(byte)).map_or(start, |last| last + 1);
            &name[start..end]
        })
        .filter(|name| !name.is_empty())
        .collect();
    (!names.is_empty() && names.iter().all(|name| is_token(name))).then(|| names.join(b", ".as_slice()))
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn only_names_are_repeated() {
        let cases: [(&[&str], Option<&str>); 7] = [
            (&["x-a,x-b"], Some("x-a, x-b")),
            (&["\tx-a , ,", "x-b"], Some("x-a, x-b")),
            (&["x-a: 1"], None),
            (&["x-a\u{e9}"], None),
            (&["x a"], None),
            (&[" , "], None),
            (&[], None),
        ];
        for (lines, expected) in cases {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(repeated(&lines).as_deref(), expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
