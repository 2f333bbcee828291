//! `set_backend $variable;`: an upstream of the request's host, looked up when the variable is first used.

use ngx::ffi::{NGX_ERROR, NGX_OK, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

use crate::lookup::{self, Lookup, Met};
use crate::worker::Worker;
use crate::{address, memory};

/// Gives the variable its value: an address, or nothing.
///
/// A variable cannot say *not yet*, nor end the request with a status. Where it is asked by what passes the request on, which
/// [`content`](crate::content) has called, it leaves a word about that and gives nothing; without an address,
/// `proxy_pass http://$variable…` gives up before it has done anything, and the word tells what to do instead.
pub(crate) unsafe extern "C" fn get(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: nginx passes a request that is alive, and the value to fill in.
    let (lookup, value) = unsafe { (lookup::of(request), &mut *value) };
    let (Some(lookup), Some(worker)) = (lookup, Worker::current()) else { return NGX_ERROR as ngx_int_t };
    // SAFETY: as above.
    let pending = unsafe { lookup.ask(&worker, request, lookup.is_passing) };
    let met = match (pending, choose(lookup, &worker)) {
        (Some(ticket), _) => Met::Pending(ticket),
        (None, None) => Met::Missing,
        (None, Some(text)) => {
            // SAFETY: the request is alive, and so is its pool.
            let Some(text) = (unsafe { memory::copy_text((*request).pool, text.as_bytes()) }) else {
                return NGX_ERROR as ngx_int_t;
            };
            value.set_valid(1);
            value.set_no_cacheable(0);
            value.set_not_found(0);
            value.set_len(text.len as u32);
            value.data = text.data;
            return NGX_OK as ngx_int_t;
        }
    };
    value.set_valid(0);
    value.set_not_found(1);
    // So that nginx asks again when the request is passed on once more.
    value.set_no_cacheable(1);
    if lookup.is_passing {
        lookup.met = Some(met);
        // SAFETY: the request is alive.
        unsafe { hush(lookup, request) };
    }
    NGX_OK as ngx_int_t
}

/// The address for this request.
fn choose<'a>(lookup: &'a mut Lookup, worker: &Worker) -> Option<&'a str> {
    if lookup.chosen.is_none() {
        let upstreams = lookup.upstreams();
        let chosen = worker.choose(upstreams, |_| true)?;
        lookup.chosen = Some(address::in_url(&upstreams[chosen]));
    }
    lookup.chosen.as_deref()
}

/// Keeps nginx from logging an error about the address that is not there.
///
/// # Safety
/// The request is alive.
unsafe fn hush(lookup: &mut Lookup, request: *mut ngx_http_request_t) {
    // SAFETY: a request has a connection, whose log is its own.
    let level = unsafe { &mut (*(*(*request).connection).log).log_level };
    lookup.loudness.get_or_insert(*level);
    *level = 0;
}
