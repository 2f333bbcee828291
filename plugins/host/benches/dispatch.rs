//! What a call of a handler costs beyond what the handler itself does: through the function table of the contract, against a
//! direct call of the same code.
//!
//! `cargo bench --package plugin-host`. The rows of one group differ only in how the handler is reached.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use plugin_host::{HandlerInstance, Host, HttpVersion, Plugin, Request, RequestHeaders, Response, Settings};
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
fn direct(request: &Request<'_>) -> Response {
    black_box(request.body);
    Response::default()
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
    nothing.bench_function("direct", |bencher| bencher.iter(|| direct(black_box(&request))));
    nothing.bench_function("through the table", |bencher| bencher.iter(|| noop.handle(black_box(&request))));
    nothing.finish();

    let mut whole = criterion.benchmark_group("the handler ip");
    whole.bench_function("through the table", |bencher| bencher.iter(|| ip.handle(black_box(&request))));
    whole.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
