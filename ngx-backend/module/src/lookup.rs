//! What one request has asked, and what it was told.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{
    ngx_del_timer, ngx_event_t, ngx_http_handler_pt, ngx_http_request_t, ngx_pool_cleanup_add, ngx_pool_t,
    ngx_uint_t,
};
use ngx::http::HttpModule;
use plugin_host::Upstream;

use crate::balancer::Peers;
use crate::config::{self, Module};
use crate::worker::{Answer, Asked, Worker};

/// The state of one request or subrequest. Lives as long as its pool, and stays where it is, even where nginx has forgotten it because the request
/// goes on in another location.
#[derive(Default)]
pub(crate) struct Lookup {
    /// Set once there is an answer, which then holds for the whole request.
    pub(crate) answer: Option<Answer>,
    /// Those that the answer says there are.
    pub(crate) upstreams: Vec<Upstream>,
    /// What the balancer does with them.
    pub(crate) peers: Peers,
    /// The address that the variable was given; it does not change within a request.
    pub(crate) chosen: Option<String>,
    /// What passes the request on, called by this module instead of by nginx.
    pub(crate) next: ngx_http_handler_pt,
    /// Whether that is running.
    pub(crate) is_passing: bool,
    /// What the variable met while that was running, and could not tell by its value.
    pub(crate) met: Option<Met>,
    /// The log level to come back to, where the variable has turned it down.
    pub(crate) loudness: Option<ngx_uint_t>,
    /// The place among the requests that wait, if this is one of them.
    pub(crate) waits_as: Option<u64>,
    /// Ends the waiting. Made when a request waits, which few do: it is large.
    pub(crate) timer: Option<Box<ngx_event_t>>,
}

/// Why a variable has no value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Met {
    /// There is none.
    Missing,
    /// Nobody knows yet; the ticket's ring will say when to ask again.
    Pending(u64),
}

/// The state of `request`, made now if it has none. `None` if there is no memory.
///
/// # Safety
/// The request is alive, and no reference to its state is.
pub(crate) unsafe fn of<'a>(request: *mut ngx_http_request_t) -> Option<&'a mut Lookup> {
    // SAFETY: the request has a place for the state of every module.
    let place = unsafe { (*request).ctx.add(Module::module().ctx_index) };
    // SAFETY: as above; nobody else writes there, except nginx, which writes null.
    unsafe {
        if (*place).is_null() {
            *place = make((*request).pool).cast();
        }
        (*place).cast::<Lookup>().as_mut()
    }
}

/// Makes a state that lives as long as `pool`. Null if there is no memory.
///
/// Not in the pool itself: where a request would just have done with the blocks that its pool has, that would be one more.
///
/// # Safety
/// The pool is alive.
unsafe fn make(pool: *mut ngx_pool_t) -> *mut Lookup {
    // SAFETY: the caller's promise.
    let Some(cleanup) = (unsafe { ngx_pool_cleanup_add(pool, 0).as_mut() }) else { return ptr::null_mut() };
    let lookup = Worker::current().map_or_else(Box::default, |worker| worker.lookup());
    let place = Box::into_raw(lookup);
    cleanup.data = place.cast();
    cleanup.handler = Some(end);
    place
}

unsafe extern "C" fn end(lookup: *mut c_void) {
    // SAFETY: a pool runs each cleanup once, with the data that `make` gave it.
    let mut lookup = unsafe { Box::from_raw(lookup.cast::<Lookup>()) };
    if let Some(worker) = Worker::current() {
        lookup.stop_waiting(&worker);
        let mut upstreams = std::mem::take(&mut lookup.upstreams);
        upstreams.clear();
        *lookup = Lookup { upstreams, ..Lookup::default() };
        worker.take_back(lookup);
    }
}

impl Lookup {
    /// Asks for the request's host, unless that was answered before. Gives the ticket to wait for, if there is no answer yet.
    ///
    /// # Safety
    /// `request` is the one that this is the state of, and alive.
    pub(crate) unsafe fn ask(
        &mut self,
        worker: &Worker,
        request: *mut ngx_http_request_t,
        may_wait: bool,
    ) -> Option<u64> {
        if self.answer.is_some() {
            return None;
        }
        // SAFETY: the caller's promise.
        let answer = match unsafe { host_of(request) } {
            Some(host) => match worker.ask(host, may_wait, &mut self.upstreams) {
                Asked::Answered(answer) => answer,
                Asked::Pending(ticket) => return Some(ticket),
            },
            None => Answer::Unknown,
        };
        // SAFETY: the caller's promise.
        let default = unsafe { &config::of_location(request).default };
        self.answer = Some(match (answer, default) {
            (Answer::Unknown, Some(default)) => {
                self.upstreams.push(default.clone());
                Answer::Upstreams { named_by: None }
            }
            (answer, _) => answer,
        });
        None
    }

    /// The upstreams that the answer names; none if it names none, or if there is none yet.
    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Does not wait any more.
    pub(crate) fn stop_waiting(&mut self, worker: &Worker) {
        if let Some(ticket) = self.waits_as.take() {
            worker.waiting().remove(&ticket);
        }
        if let Some(timer) = self.timer.as_deref_mut()
            && timer.timer_set() != 0
        {
            // SAFETY: the timer was set with nginx's timers.
            unsafe { ngx_del_timer(timer) }
        }
    }
}

/// The host that was asked for, as nginx has checked it: in lower case, without port and without a dot at its end. `None` if
/// there is none, as HTTP/1.0 allows, or if it is not UTF-8.
///
/// # Safety
/// The request is alive, and the host is not used longer.
pub(crate) unsafe fn host_of<'a>(request: *mut ngx_http_request_t) -> Option<&'a str> {
    // SAFETY: nginx keeps the text as long as the request.
    let host = unsafe { &(*request).headers_in.server }.as_bytes();
    if host.is_ascii() && !host.is_empty() {
        // Nearly all are, and that is much faster to tell.
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { std::str::from_utf8_unchecked(host) });
    }
    std::str::from_utf8(host).ok().filter(|host| !host.is_empty())
}
