//! Calls through abi_stable.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use abi_stable::library::RootModule as _;
use abi_stable::std_types::{RNone, RSome};
use stable_abi_contracts::of_abi_stable::{HandlerModuleRef, Header, Request, Response};

use crate::{PEER, PEER_PORT, VERSION, time};

/// A handler that is loaded from `library`, with abi_stable's check of the types.
pub(crate) fn loaded(iterations: u32, library: &Path) -> Result<Duration, Box<dyn Error>> {
    let module = HandlerModuleRef::load_from_file(library)?;
    let handler = black_box(module.create()());
    let headers = [
        Header { name: "host".into(), value: b"localhost"[..].into() },
        Header { name: "accept".into(), value: b"*/*"[..].into() },
    ];
    let request = Request {
        method: "GET".into(),
        path: "/".into(),
        query: RNone,
        mount: RSome("/".into()),
        headers: headers[..].into(),
        body: b""[..].into(),
        peer: PEER,
        peer_port: PEER_PORT,
        version: VERSION,
    };
    // One that fails would be a fast one.
    handler.handle(&request, &mut Response::default()).into_result().map_err(|error| error.into_string())?;
    Ok(time(iterations, || {
        let mut response = Response::default();
        let outcome = handler.handle(black_box(&request), &mut response);
        black_box((&outcome, &response));
    }))
}
