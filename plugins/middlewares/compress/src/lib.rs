//! Middleware that sends answers in fewer bytes to clients that say they can read them: content codings by RFC 9110,
//! sections 8.4 and 12.5.3.
#![forbid(unsafe_code)]

mod accept;
mod coding;
mod content_type;
mod gzip;
mod settings;
mod suitable;

use accept::Accepted;
use coding::Coding;
use plugin_sdk::{Answer, Error, Flow, Middleware, Plugin, Request, RequestEdit, Response, Setup};
use settings::{Policy, Settings};
use suitable::Suitable;

struct Compress {
    policy: Policy,
}

impl Plugin for Compress {
    fn create(setup: &Setup<'_>) -> Result<Compress, Error> {
        let policy = plugin_settings::read::<Settings>(setup)?.into_policy().map_err(Error::invalid)?;
        Ok(Compress { policy })
    }
}

impl Middleware for Compress {
    /// Decided before the handler: what stands behind may be shown another field.
    type State = Accepted;

    fn before(
        &self,
        request: &Request<'_>,
        _edit: &mut RequestEdit<'_>,
        _response: &mut Response<'_>,
    ) -> Result<Flow<Accepted>, Error> {
        let values =
            request.headers().filter(|(name, _)| *name == b"accept-encoding").map(|(_, value)| value);
        Ok(Flow::Continue(Accepted::choose(values, &self.policy.codings)))
    }

    /// Does for `HEAD` what it does for `GET`, since both have the same fields: the host drops the body afterwards.
    fn after(
        &self,
        _request: &Request<'_>,
        answer: Option<&mut Answer<'_>>,
        accepted: Accepted,
    ) -> Result<(), Error> {
        let Some(answer) = answer else { return Ok(()) };
        let suitable = Suitable::judge(&self.policy, answer);
        match (suitable, accepted) {
            (Suitable::Yes, Accepted::Coding(coding)) => {
                let encoded = self.policy.encoders.encode(coding, answer.body())?;
                if encoded.len() < answer.body().len() {
                    return replace(answer, coding, &encoded);
                }
            }
            (Suitable::Yes | Suitable::IfItMust, Accepted::OnlyCoding(coding)) => {
                let encoded = self.policy.encoders.encode(coding, answer.body())?;
                return replace(answer, coding, &encoded);
            }
            _ => {}
        }
        // Sent as it is, which another client would not have got.
        match suitable {
            Suitable::Yes | Suitable::WouldHaveBeen => answer.vary_on(&[ACCEPT_ENCODING]),
            Suitable::IfItMust | Suitable::Never => Ok(()),
        }
    }
}

const ACCEPT_ENCODING: &str = "Accept-Encoding";

fn replace(answer: &mut Answer<'_>, coding: Coding, encoded: &[u8]) -> Result<(), Error> {
    answer.vary_on(&[ACCEPT_ENCODING])?;
    // Bytes of another representation: not the same to a strong comparison (RFC 9110, section 8.8.1).
    if let Some(strong) = answer.header("etag").filter(|etag| etag.starts_with(b"\"")) {
        answer.edit().set_header("etag", [b"W/", strong].concat())?;
    }
    // Ranges of it could not be served: the handler knows the plain bytes alone.
    if answer.header("accept-ranges").is_some() {
        answer.edit().remove_header("accept-ranges")?;
    }
    answer.edit().set_header("content-encoding", coding.name())?;
    answer.edit().set_body(encoded)
}

plugin_sdk::export_plugin! { name: "compress", middleware: Compress }
