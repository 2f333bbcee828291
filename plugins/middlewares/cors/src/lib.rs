//! Middleware that tells browsers which origins may read answers: the server's half of the CORS protocol
//! (Fetch standard, section 3.3, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
#![forbid(unsafe_code)]

mod origins;
mod policy;
mod preflight;
mod settings;

use plugin_sdk::{Answer, Error, Flow, Level, Middleware, Plugin, Request, RequestEdit, Response, Setup};
use policy::Policy;

const ORIGIN: &str = "origin";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const EXPOSE_HEADERS: &str = "access-control-expose-headers";

/// Answers preflights, and marks all other responses as the policy says.
struct Cors {
    policy: Policy,
}

impl Plugin for Cors {
    fn create(setup: &Setup<'_>) -> Result<Cors, Error> {
        let policy = plugin_settings::read::<settings::Settings>(setup)?.into_policy()?;
        if policy.origins.is_empty() {
            let line = "no origins are set: scripts of other sites may read nothing";
            setup.log().log(Level::Warn, format_args!("{line}"));
        }
        Ok(Cors { policy })
    }
}

impl Middleware for Cors {
    /// The origin that is told it may read the response.
    type State = Option<Vec<u8>>;

    fn before(
        &self,
        request: &Request<'_>,
        _edit: &mut RequestEdit<'_>,
        response: &mut Response<'_>,
    ) -> Result<Flow<Self::State>, Error> {
        if let Some(preflight) = preflight::asked(request)? {
            response.set_status(204)?;
            for (name, value) in preflight::answer(&self.policy, &preflight) {
                response.add_header(name, value)?;
            }
            return Ok(Flow::Answered);
        }
        let allowed = origin_of(request).filter(|origin| self.policy.origins.allows(origin));
        Ok(Flow::Continue(allowed.and_then(|origin| self.policy.allow_origin(origin)).map(<[u8]>::to_vec)))
    }

    fn after(
        &self,
        _request: &Request<'_>,
        answer: Option<&mut Answer<'_>>,
        allowed: Self::State,
    ) -> Result<(), Error> {
        match answer {
            Some(answer) => mark(&self.policy, answer, allowed.as_deref()),
            None => Ok(()),
        }
    }
}

/// The origin of a request. One that is sent twice is none.
fn origin_of<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let mut origins = request.headers().filter(|(name, _)| *name == ORIGIN.as_bytes());
    match (origins.next(), origins.next()) {
        (Some((_, origin)), None) => Some(origin),
        _ => None,
    }
}

/// Makes the response say what the policy says, whatever a handler has said of its own.
fn mark(policy: &Policy, answer: &mut Answer<'_>, allowed: Option<&[u8]>) -> Result<(), Error> {
    if policy.depends_on_origin() {
        answer.vary_on(&["Origin"])?;
    }
    let readable_by = if policy.origins.is_any() { Some(b"*".as_slice()) } else { allowed };
    let expose = policy.expose.as_deref().filter(|_| readable_by.is_some());
    let credentials = (policy.credentials && readable_by.is_some()).then_some("true");
    put(answer, ALLOW_ORIGIN, readable_by)?;
    put(answer, ALLOW_CREDENTIALS, credentials.map(str::as_bytes))?;
    put(answer, EXPOSE_HEADERS, expose.map(str::as_bytes))
}

fn put(answer: &mut Answer<'_>, name: &str, value: Option<&[u8]>) -> Result<(), Error> {
    match value {
        Some(value) => answer.edit().set_header(name, value),
        None if answer.header(name).is_some() => answer.edit().remove_header(name),
        None => Ok(()),
    }
}

plugin_sdk::export_plugin! { name: "cors", middleware: Cors }
