//! What a call of a handler costs beyond what the handler itself does: through the function table of the contract, against a
//! direct call of the same code.
//!
//! `cargo bench --package plugin-host`. The rows of one group differ only in how the handler is reached.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use plugin_host::{
    CallError, HandlerInstance, Host, HttpVersion, Plugin, Request, RequestHeaders, Response, Settings,
};
use plugin_sdk::{Error, Handler, Method, Setup};

/// Does nothing, so that only the way to it is measured.
struct Noop;

impl plugin_sdk::Plugin for Noop {
    fn create(_setup: &Setup<'_>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Handler for Noop {
    const ROUTE: &'static str = "/";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(
        &self,
        request: &plugin_sdk::Request<'_>,
        _response: &mut plugin_sdk::Response<'_>,
    ) -> Result<(), Error> {
        black_box(request.body());
        Ok(())
    }
}

plugin_sdk::export_plugin! { name: "noop", handler: Noop }

/// What the same handler is without a contract.
#[inline(never)]
fn direct(request: &Request<'_>, _response: &mut Response) -> Result<(), CallError> {
    black_box(request.body);
    Ok(())
}

/// Outcome and response are looked at where they are: moving them to the harness would be most of what is measured.
fn into_response(call: impl FnOnce(&mut Response) -> Result<(), CallError>) {
    let mut response = Response::default();
    let outcome = call(&mut response);
    black_box((&outcome, &response));
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

fn dispatch(criterion: &mut Criterion) {
    let host = Host::of_this_process(std::collections::BTreeMap::new()).expect("the facts of this process");
    let instance = |plugin| {
        let plugin = Plugin::linked(plugin).expect("a good plugin");
        HandlerInstance::create(&plugin, host.environment(), &Settings::default()).expect("an instance")
    };
    let noop = instance(&PLUGIN);
    let ip = instance(&ip_handler::PLUGIN);
    let request = request();

    let mut nothing = criterion.benchmark_group("a handler that does nothing");
    nothing.bench_function("direct", |bencher| {
        bencher.iter(|| into_response(|response| direct(black_box(&request), response)))
    });
    nothing.bench_function("through the table", |bencher| {
        bencher.iter(|| into_response(|response| noop.handle_into(black_box(&request), response)));
    });
    nothing.finish();

    let mut whole = criterion.benchmark_group("the handler ip");
    whole.bench_function("through the table", |bencher| {
        bencher.iter(|| into_response(|response| ip.handle_into(black_box(&request), response)));
    });
    whole.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
