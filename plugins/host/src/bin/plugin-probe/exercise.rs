//! One call to a plugin of any kind, as a host would make it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use plugin_abi::Kind;
use plugin_host::{
    Before, CacheInstance, CallError, CreateError, HandlerInstance, HostEnvironment, HttpVersion,
    MiddlewareInstance, Plugin, Request, Resolved, ResolverInstance, Response, Settings, ShowcaseInstance,
    Status,
};
use serde::Deserialize;

use crate::report::{Observation, Stage};

/// How long a cache may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// With what a plugin is made and called.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Exercise {
    /// The settings of the instance; none if not given.
    #[serde(default)]
    pub(crate) settings: String,
    /// The path that a handler is asked for; its route if not given.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// Fields of the request beside `host`; names in lower case.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

/// Asks the plugin whether it accepts this host, makes an instance and calls it once. Says what it answered.
pub(crate) fn accept_create_call(
    plugin: &Plugin,
    host: &HostEnvironment,
    exercise: &Exercise,
    enter: &mut dyn FnMut(Stage),
) -> Result<String, Observation> {
    enter(Stage::Accept);
    plugin.accept(host).map_err(|error| not_accepted(&error))?;
    create_and_call(plugin, host, exercise, enter)
}

/// The same for a plugin that has accepted this host.
pub(crate) fn create_and_call(
    plugin: &Plugin,
    host: &HostEnvironment,
    exercise: &Exercise,
    enter: &mut dyn FnMut(Stage),
) -> Result<String, Observation> {
    enter(Stage::Create);
    let settings = Settings { config: exercise.settings.clone().into_bytes(), ..Settings::default() };
    match plugin.identity().kind {
        Kind::Handler => {
            let handler = HandlerInstance::create(plugin, host, &settings).map_err(not_created)?;
            enter(Stage::Call);
            call_handler(&handler, exercise)
        }
        Kind::Middleware => {
            let middleware = MiddlewareInstance::create(plugin, host, &settings).map_err(not_created)?;
            enter(Stage::Call);
            call_middleware(&middleware, exercise)
        }
        Kind::Cache => {
            let cache = CacheInstance::create(plugin, host, &settings).map_err(not_created)?;
            enter(Stage::Call);
            call_cache(&cache)
        }
        Kind::Resolver => {
            let resolver = ResolverInstance::create(plugin, host, &settings).map_err(not_created)?;
            enter(Stage::Call);
            call_resolver(&resolver)
        }
        Kind::Showcase => {
            let showcase = ShowcaseInstance::create(plugin, host, &settings).map_err(not_created)?;
            enter(Stage::Call);
            showcase.describe().map_err(not_called)
        }
    }
}

/// What a plugin that does not accept this host comes to.
pub(crate) fn not_accepted(error: &CallError) -> Observation {
    if error.status == Status::DECLINED {
        return Observation::declined(error.message.clone());
    }
    Observation::failed(Stage::Accept, Some(error.code()), error.to_string())
}

fn not_created(error: CreateError) -> Observation {
    match error {
        CreateError::Failed(_) => Observation::failed(Stage::Create, Some(error.code()), error.to_string()),
        _ => Observation::refused(Stage::Descriptor, Some(error.code()), error.to_string()),
    }
}

fn not_called(error: CallError) -> Observation {
    Observation::failed(Stage::Call, Some(error.code()), error.to_string())
}

fn request<'a>(method: &'a str, path: &'a str, exercise: &'a Exercise) -> Request<'a> {
    let given = exercise.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Request {
        method,
        path,
        query: None,
        mount: None,
        version: HttpVersion::Http11,
        peer: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))),
        headers: std::iter::once(("host", b"localhost".as_slice())).chain(given).collect(),
        body: &[],
    }
}

fn call_handler(handler: &HandlerInstance, exercise: &Exercise) -> Result<String, Observation> {
    let methods = handler.methods();
    let method = methods.iter().find(|method| *method == "GET").unwrap_or(&methods[0]);
    let path = exercise.path.as_deref().unwrap_or(handler.route());
    let mut request = request(method, path, exercise);
    request.mount = Some(handler.route());
    let response = handler.handle(&request).map_err(not_called)?;
    Ok(format!("{method} {path} {}", shown(&response)))
}

/// Shows it a request, and then a page that a handler may have made.
fn call_middleware(middleware: &MiddlewareInstance, exercise: &Exercise) -> Result<String, Observation> {
    let request = request("GET", "/", exercise);
    match middleware.before(&request).map_err(not_called)? {
        Before::Answered(response) => Ok(format!("answered {}", shown(&response))),
        Before::Continue { edits, ticket } => {
            let mut response = Response {
                status: 200,
                headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
                body: b"A page of a handler.\n".repeat(100),
            };
            ticket.after(&request, &mut response).map_err(not_called)?;
            let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
            let (edits, status, length) = (edits.len(), response.status, response.body.len());
            Ok(format!("{edits} edits before, then {status} with {} and {length} bytes", names.join(", ")))
        }
    }
}

fn call_cache(cache: &CacheInstance) -> Result<String, Observation> {
    let late = || {
        let message = format!("no answer within {} s", PATIENCE.as_secs());
        Observation::failed(Stage::Call, Some("call.timed-out"), message)
    };
    let (key, value) = (b"probe", b"value");
    let lifetime = Some(Duration::from_secs(60));
    match cache.set(key, value, lifetime).wait(PATIENCE).ok_or_else(late)? {
        Ok(()) => {}
        // One whose store is elsewhere has done its part when it says that it is not there.
        Err(error) if error.status == Status::UNAVAILABLE => {
            return Ok(format!("its store is away: {}", error.message));
        }
        Err(error) => return Err(not_called(error)),
    }
    match cache.get(key).wait(PATIENCE).ok_or_else(late)?.map_err(not_called)? {
        Some(found) if found == value => Ok("kept a value".to_owned()),
        // A cache that keeps nothing is one, too.
        None => Ok("kept nothing".to_owned()),
        Some(_) => {
            let message = "gave back another value than was stored";
            Err(Observation::failed(Stage::Call, Some("call.contract-broken"), message))
        }
    }
}

fn call_resolver(resolver: &ResolverInstance) -> Result<String, Observation> {
    let resolved = match resolver.resolve("localhost", None) {
        Ok(resolved) => resolved,
        // As for caches: it has done its part when it says that what it asks is not there.
        Err(error) if error.status == Status::UNAVAILABLE => {
            return Ok(format!("its store is away: {}", error.message));
        }
        Err(error) => return Err(not_called(error)),
    };
    match resolved {
        Resolved::Upstreams(upstreams) => Ok(format!("knows {} upstreams of localhost", upstreams.len())),
        Resolved::NotFound => Ok("does not know localhost".to_owned()),
        Resolved::Pending => Ok("does not know localhost yet".to_owned()),
    }
}

/// A response on one line, its body cut.
fn shown(response: &Response) -> String {
    let body: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    format!("{} {}", response.status, body.trim_end())
}
