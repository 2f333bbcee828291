//! Middleware that gives every request an identifier, for the handler, the response and whoever reads their logs.
#![forbid(unsafe_code)]

mod settings;

use plugin_sdk::{Answer, Error, Flow, Middleware, Plugin, Request, RequestEdit, Response, Setup};
use settings::Settings;
use uuid::Uuid;

struct RequestId {
    /// In lower case.
    header: String,
    trust: bool,
}

impl Plugin for RequestId {
    fn create(setup: &Setup<'_>) -> Result<RequestId, Error> {
        let Settings { header, trust } = plugin_settings::read(setup)?;
        Ok(RequestId { header: settings::checked_name(&header)?, trust })
    }
}

impl Middleware for RequestId {
    /// The identifier.
    type State = Vec<u8>;

    fn before(
        &self,
        request: &Request<'_>,
        edit: &mut RequestEdit<'_>,
        _response: &mut Response<'_>,
    ) -> Result<Flow<Vec<u8>>, Error> {
        let given =
            request.headers().filter(|(name, _)| *name == self.header.as_bytes()).map(|(_, value)| value);
        if let Some(given) = only(given).filter(|given| self.trust && is_well_formed(given)) {
            return Ok(Flow::Continue(given.to_vec()));
        }
        let made = Uuid::now_v7().hyphenated().to_string();
        edit.set_header(&self.header, &made)?;
        Ok(Flow::Continue(made.into_bytes()))
    }

    fn after(
        &self,
        _request: &Request<'_>,
        answer: Option<&mut Answer<'_>>,
        identifier: Vec<u8>,
    ) -> Result<(), Error> {
        answer.map_or(Ok(()), |answer| answer.edit().set_header(&self.header, identifier))
    }
}

/// The value, if there is exactly one.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    values.next().filter(|_| values.next().is_none())
}

/// Longest identifier that is taken over, in bytes.
const LONGEST: usize = 128;

/// Identifiers are copied into logs, addresses and queries of other programs, so that they are made of what means
/// nothing in any of them.
fn is_well_formed(identifier: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(byte);
    (1..=LONGEST).contains(&identifier.len()) && identifier.iter().all(is_plain)
}

plugin_sdk::export_plugin! { name: "request-id", middleware: RequestId }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_short_and_plain() {
        let longest = "x".repeat(LONGEST);
        let too_long = "x".repeat(LONGEST + 1);
        let cases = [
            ("018f6f4e-7b1c-7c3d-8000-000000000000", true),
            ("1-67891233-abcdef012345678912345678", true),
            ("Root=1-5759e988-bd862e3fe1be46a994272793", true),
            ("aGVsbG8+d29ybGQ/Cg==", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a,b", false),
            ("a;b", false),
            ("${jndi:ldap}", false),
            ("a\nb", false),
            ("é", false),
        ];
        for (identifier, expected) in cases {
            assert_eq!(is_well_formed(identifier.as_bytes()), expected, "{identifier}");
        }
    }
}
