//! Calls of one handler that does nothing, and of one that does something, which differ only in how they are reached.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use plugin_host::{
    Admission, CallError, HandlerInstance, Host, HttpVersion, Plugin, Request, RequestHeaders, Response,
    Settings, load,
};

use crate::time;

/// What the handler `noop` is without a contract.
#[inline(never)]
fn noop(request: &Request<'_>, _response: &mut Response) -> Result<(), CallError> {
    black_box(request.body);
    Ok(())
}

type Handle = dyn Fn(&Request<'_>, &mut Response) -> Result<(), CallError>;

/// What Rust programs with handlers of many kinds have where no library is loaded.
trait Handles {
    fn handle(&self, request: &Request<'_>, response: &mut Response) -> Result<(), CallError>;
}

/// Does nothing, so that only the way to it is measured.
struct Noop;

impl Handles for Noop {
    fn handle(&self, request: &Request<'_>, response: &mut Response) -> Result<(), CallError> {
        noop(request, response)
    }
}

pub(crate) fn direct(iterations: u32) -> Duration {
    calls(iterations, noop)
}

pub(crate) fn boxed(iterations: u32) -> Duration {
    let handle: Box<Handle> = black_box(Box::new(noop));
    calls(iterations, |request, response| handle(request, response))
}

pub(crate) fn dynamic(iterations: u32) -> Duration {
    let handler: Box<dyn Handles> = black_box(Box::new(Noop));
    calls(iterations, |request, response| handler.handle(request, response))
}

pub(crate) fn linked(iterations: u32) -> Result<Duration, Box<dyn Error>> {
    instance(iterations, &Plugin::linked(&noop_handler::PLUGIN)?, &host()?)
}

pub(crate) fn ip_linked(iterations: u32) -> Result<Duration, Box<dyn Error>> {
    instance(iterations, &Plugin::linked(&ip_handler::PLUGIN)?, &host()?)
}

/// Whatever handler `plugin` has.
pub(crate) fn loaded(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let host = host()?;
    instance(iterations, &load(&host, &Admission::default(), plugin)?, &host)
}

fn host() -> Result<Host, Box<dyn Error>> {
    Ok(Host::of_this_process(BTreeMap::new())?)
}

fn instance(iterations: u32, plugin: &Plugin, host: &Host) -> Result<Duration, Box<dyn Error>> {
    let instance = HandlerInstance::create(plugin, host.environment(), &Settings::default())?;
    // One that fails would be a fast one.
    instance.handle_into(&request(), &mut Response::default())?;
    Ok(calls(iterations, |request, response| instance.handle_into(request, response)))
}

/// Outcome and response are looked at where they are: moving them would be most of what is measured.
fn calls(iterations: u32, call: impl Fn(&Request<'_>, &mut Response) -> Result<(), CallError>) -> Duration {
    let request = request();
    time(iterations, || {
        let mut response = Response::default();
        let outcome = call(black_box(&request), &mut response);
        black_box((&outcome, &response));
    })
}

fn request() -> Request<'static> {
    Request {
        method: "GET",
        path: "/",
        query: None,
        mount: Some("/"),
        version: HttpVersion::Http11,
        peer: "127.0.0.1:4711".parse().ok(),
        headers: [("host", &b"localhost"[..]), ("accept", b"*/*")]
            .into_iter()
            .collect::<RequestHeaders<'_>>(),
        body: b"",
    }
}
