//! Stands before whatever passes a request on, to wait for an answer and to say that there is none.
//!
//! nginx has no place where a balancer could wait, so the host is looked up before: at the beginning of the content phase, and
//! only where the request will be passed to a balanced block. Where it goes by a variable, nobody can tell before that is used;
//! then what uses it runs first, and is run again once there is an answer.

use ngx::ffi::{
    NGX_DECLINED, NGX_DONE, NGX_ERROR, ngx_add_timer, ngx_event_t, ngx_http_block_reading,
    ngx_http_finalize_request, ngx_http_request_t, ngx_http_run_posted_requests, ngx_http_test_reading,
    ngx_int_t, ngx_msec_t, ngx_post_event, ngx_posted_events,
};

use crate::config;
use crate::lookup::{self, Lookup, Met};
use crate::worker::{Answer, Waiting, Worker};

/// How long a request waits where nothing is configured, in milliseconds.
const DEFAULT_TIMEOUT: ngx_msec_t = 1000;
/// How a request is answered that goes nowhere, where nothing is configured.
const DEFAULT_MISSING: ngx_int_t = 404;
/// What nginx's modules return when they have given up by themselves.
const INTERNAL_SERVER_ERROR: ngx_int_t = 500;

/// Takes the place of what passes the request on. Called in the phase before.
pub(crate) unsafe extern "C" fn prepare(request: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a request that is alive.
    let handler = unsafe { &mut (*request).content_handler };
    if handler.is_some()
        // SAFETY: as above.
        && let Some(lookup) = unsafe { lookup::of(request) }
    {
        lookup.next = handler.replace(pass);
    }
    NGX_DECLINED as ngx_int_t
}

/// Passes the request on, unless it has to wait or goes nowhere.
unsafe extern "C" fn pass(request: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a request that is alive.
    let Some(lookup) = (unsafe { lookup::of(request) }) else { return NGX_ERROR as ngx_int_t };
    let Some(next) = lookup.next else { return NGX_ERROR as ngx_int_t };
    // SAFETY: as above.
    if unsafe { config::is_balanced(request) } {
        let Some(worker) = Worker::current() else { return NGX_ERROR as ngx_int_t };
        // SAFETY: as above.
        if let Some(ticket) = unsafe { lookup.ask(&worker, request, true) } {
            // SAFETY: as above.
            return unsafe { wait(&worker, lookup, request, ticket) };
        }
        if lookup.upstreams().is_empty() {
            // SAFETY: as above.
            return unsafe { missing(request) };
        }
    }
    lookup.is_passing = true;
    // SAFETY: nginx would call it in the same way. The state is not borrowed meanwhile: what uses the variable does so itself.
    let code = unsafe { next(request) };
    // SAFETY: nginx uses the request after a handler has returned, too.
    let Some(lookup) = (unsafe { lookup::of(request) }) else { return code };
    lookup.is_passing = false;
    if let Some(level) = lookup.loudness.take() {
        // SAFETY: as above.
        unsafe { (*(*(*request).connection).log).log_level = level };
    }
    let has_given_up = code == INTERNAL_SERVER_ERROR || code == NGX_ERROR as ngx_int_t;
    let Some(met) = lookup.met.take().filter(|_| has_given_up) else { return code };
    match (met, Worker::current()) {
        // SAFETY: as above.
        (Met::Pending(ticket), Some(worker)) => unsafe { wait(&worker, lookup, request, ticket) },
        // SAFETY: as above.
        _ => unsafe { missing(request) },
    }
}

/// The status for a request that goes nowhere.
///
/// # Safety
/// The request is alive.
unsafe fn missing(request: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: the caller's promise.
    unsafe { config::of_location(request) }.missing.unwrap_or(DEFAULT_MISSING)
}

/// Puts the request among those that wait, and gives what a content handler then returns.
///
/// # Safety
/// The request is alive, and `lookup` its state.
unsafe fn wait(
    worker: &Worker,
    lookup: &mut Lookup,
    request: *mut ngx_http_request_t,
    ticket: u64,
) -> ngx_int_t {
    worker.waiting().insert(ticket, Waiting(request));
    lookup.waits_as = Some(ticket);
    // SAFETY: the caller's promise.
    let timeout = unsafe { config::of_location(request) }.timeout;
    let timeout = timeout.map_or(DEFAULT_TIMEOUT, |time| time.as_millis() as ngx_msec_t);
    // SAFETY: nginx itself makes events by clearing their memory.
    let timer = lookup.timer.get_or_insert_with(|| Box::new(unsafe { std::mem::zeroed() }));
    // SAFETY: the request is alive and holds its state, and so the timer, until it is freed, which takes the timer back. One more
    // use is counted, as whenever a content handler has not finished.
    unsafe {
        timer.data = request.cast();
        timer.log = (*(*request).connection).log;
        timer.handler = Some(give_up);
        ngx_add_timer(&raw mut **timer, timeout);
        // A client that goes away meanwhile is noticed, and one that has gone already, too.
        (*request).read_event_handler = Some(ngx_http_test_reading);
        let read = (*(*request).connection).read;
        if (*read).ready() != 0 {
            ngx_post_event(read, &raw mut ngx_posted_events);
        }
        let count = (*(*request).main).count();
        (*(*request).main).set_count(count + 1);
    }
    NGX_DONE as ngx_int_t
}

/// Takes up requests whose tickets were rung.
pub(crate) unsafe extern "C" fn take_up(_: *mut ngx_event_t) {
    let Some(worker) = Worker::current() else { return };
    for ticket in worker.bell_rings() {
        let waiting = worker.waiting().remove(&ticket);
        if let Some(Waiting(request)) = waiting {
            // SAFETY: a request that is freed is no longer among those that wait.
            unsafe { look_again(&worker, request) };
        }
    }
}

/// Asks once more for a request that was among those that wait.
///
/// # Safety
/// The request is alive.
unsafe fn look_again(worker: &Worker, request: *mut ngx_http_request_t) {
    // SAFETY: the caller's promise.
    let Some(lookup) = (unsafe { lookup::of(request) }) else { return };
    lookup.waits_as = None;
    // SAFETY: the caller's promise.
    if let Some(ticket) = unsafe { lookup.ask(worker, request, true) } {
        // The time runs on.
        worker.waiting().insert(ticket, Waiting(request));
        lookup.waits_as = Some(ticket);
        return;
    }
    lookup.stop_waiting(worker);
    // SAFETY: the caller's promise.
    unsafe { resume(request) };
}

/// Ends the waiting of a request whose time is over.
unsafe extern "C" fn give_up(timer: *mut ngx_event_t) {
    // SAFETY: nginx passes the timer, which belongs to a request that is alive.
    let request = unsafe { (*timer).data }.cast::<ngx_http_request_t>();
    // SAFETY: as above.
    let (Some(lookup), Some(worker)) = (unsafe { lookup::of(request) }, Worker::current()) else { return };
    lookup.stop_waiting(&worker);
    worker.note_failure(format_args!("the resolver did not answer in time"));
    lookup.answer = Some(Answer::Failed);
    // SAFETY: as above.
    unsafe { resume(request) };
}

/// Goes on with a request that has its answer.
///
/// # Safety
/// The request is alive; it may not be afterwards.
unsafe fn resume(request: *mut ngx_http_request_t) {
    // SAFETY: the caller's promise; the connection lives at least as long as the events that are handled now.
    unsafe {
        let connection = (*request).connection;
        (*request).read_event_handler = Some(ngx_http_block_reading);
        let code = pass(request);
        ngx_http_finalize_request(request, code);
        ngx_http_run_posted_requests(connection);
    }
}
