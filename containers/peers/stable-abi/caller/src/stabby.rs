//! Calls through stabby.

// Loading a library runs its code, which only its caller can vouch for.
#![allow(unsafe_code)]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use stabby::libloading::StabbyLibrary as _;
use stable_abi_contracts::of_stabby::{
    CREATE, HandlerDyn as _, HandlerObject, Header, MaybeStr, Request, Response,
};

use crate::{PEER, PEER_PORT, VERSION, time};

/// A handler that is loaded from `library`, with stabby's check of the types.
pub(crate) fn loaded(iterations: u32, library: &Path) -> Result<Duration, Box<dyn Error>> {
    // SAFETY: what is given here is a library of this workspace, whose constructors do nothing but what Rust's do.
    let library = unsafe { libloading::Library::new(library)? };
    // SAFETY: stabby has compared the function's type with this one.
    let create = unsafe { library.get_stabbied::<extern "C" fn() -> HandlerObject>(CREATE.as_bytes()) };
    let handler = black_box(create.map_err(|error| error.to_string())?());
    let headers = [
        Header { name: "host".into(), value: b"localhost"[..].into() },
        Header { name: "accept".into(), value: b"*/*"[..].into() },
    ];
    let request = Request {
        method: "GET".into(),
        path: "/".into(),
        query: MaybeStr { text: "".into(), is_there: false },
        mount: MaybeStr { text: "/".into(), is_there: true },
        headers: headers[..].into(),
        body: b""[..].into(),
        peer: PEER,
        peer_port: PEER_PORT,
        version: VERSION,
    };
    // One that fails would be a fast one.
    if handler.handle(&request, &mut Response::default()).is_err() {
        return Err("the handler failed".into());
    }
    Ok(time(iterations, || {
        let mut response = Response::default();
        let outcome = handler.handle(black_box(&request), &mut response);
        black_box((&outcome, &response));
    }))
}
