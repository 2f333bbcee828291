//! What the operator can set, and what of it is refused.

use crate::origins::Origins;
use crate::policy::{Allowed, Policy};
use plugin_sdk::Error;
use serde::Deserialize;

/// The settings as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose_headers: Vec<String>,
    credentials: bool,
    max_age: Option<u32>,
    allow_private_network: bool,
}

/// What HTML forms could always send, and so needs no leave (Fetch standard, CORS-safelisted method).
const SAFELISTED_METHODS: &str = "GET, HEAD, POST";
/// What browsers never send for a script (Fetch standard, forbidden method).
const FORBIDDEN_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

impl Settings {
    /// # Errors
    /// [`Error::invalid`] naming the setting and the cure.
    pub(crate) fn into_policy(self) -> Result<Policy, Error> {
        let origins = Origins::parse(&self.origins).map_err(|error| invalid("origins", &error))?;
        if self.credentials && origins.allows(b"null") {
            let whom = if origins.is_any() { "`*`" } else { "`null`, which every site can make itself," };
            return Err(Error::invalid(format!(
                "origins: {whom} together with credentials would let every site act as the user; \
                 list the origins, or set credentials = false"
            )));
        }
        let methods = match allowed("methods", &self.methods)? {
            Allowed::Listed(list) if list.is_empty() => Allowed::Listed(SAFELISTED_METHODS.to_owned()),
            allowed => allowed,
        };
        for method in &self.methods {
            check_method(method).map_err(|error| invalid("methods", &error))?;
        }
        let expose = match allowed("expose-headers", &self.expose_headers)? {
            Allowed::Mirrored if self.credentials => {
                let error = "with credentials `*` means a field of that name; list the fields";
                return Err(invalid("expose-headers", error));
            }
            Allowed::Mirrored => Some("*".to_owned()),
            Allowed::Listed(list) => Some(list).filter(|list| !list.is_empty()),
        };
        Ok(Policy {
            origins,
            methods,
            headers: allowed("headers", &self.headers)?,
            expose,
            credentials: self.credentials,
            max_age: self.max_age.map(|seconds| seconds.to_string()),
            private_network: self.allow_private_network,
        })
    }
}

fn invalid(setting: &str, error: &str) -> Error {
    Error::invalid(format!("{setting}: {error}"))
}

/// A list of names, or `*` for all.
fn allowed(setting: &str, names: &[String]) -> Result<Allowed, Error> {
    match names {
        [star] if star == "*" => return Ok(Allowed::Mirrored),
        _ if names.iter().any(|name| name == "*") => {
            return Err(invalid(setting, "`*` allows all and stands alone; remove it or the others"));
        }
        _ => {}
    }
    match names.iter().find(|name| !is_token(name.as_bytes())) {
        Some(name) => Err(invalid(setting, &format!("`{name}` is no name; use letters, digits and `-`"))),
        None => Ok(Allowed::Listed(names.join(", "))),
    }
}

fn check_method(method: &str) -> Result<(), String> {
    if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(format!(
            "`{method}` is compared letter by letter; write {}",
            method.to_ascii_uppercase()
        ));
    }
    if FORBIDDEN_METHODS.contains(&method) {
        return Err(format!("no browser sends `{method}` for a script; remove it"));
    }
    Ok(())
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(name: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token_byte)
}
