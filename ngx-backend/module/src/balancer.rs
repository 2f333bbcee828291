//! `set_backend_balancer;`: an upstream block whose servers are those of the request's host.
//!
//! Connections to them can be kept open by `keepalive`, which wraps this as it wraps any balancer.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{
    AF_INET, NGX_BUSY, NGX_ERROR, NGX_HTTP_UPSTREAM_CREATE, NGX_OK, NGX_PEER_FAILED, in_addr, ngx_addr_t,
    ngx_array_push, ngx_conf_t, ngx_connection_t, ngx_http_request_t, ngx_http_upstream_init_round_robin,
    ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_pcalloc, ngx_peer_connection_t,
    ngx_pool_t, ngx_uint_t, sockaddr_in,
};
use ngx::http::{HttpModuleServerConf, NgxHttpUpstreamModule};
use ngx::ngx_string;
use plugin_host::Outcome;

use crate::lookup::Lookup;
use crate::worker::{Answer, Worker};
use crate::{address, config, lookup};

/// Makes the upstream block that is being read a balanced one.
///
/// # Safety
/// The configuration is being read, in an upstream block.
///
/// # Errors
/// What is wrong with the block.
pub(crate) unsafe fn enable(cf: *mut ngx_conf_t) -> Result<*mut ngx_http_upstream_srv_conf_t, &'static str> {
    // SAFETY: the caller's promise.
    let block = NgxHttpUpstreamModule::server_conf_mut(unsafe { &*cf });
    let block = block.ok_or("there is no upstream block")?;
    if block.peer.init_upstream.is_some() {
        return Err("set_backend_balancer stands once, and before keepalive and other methods of balancing");
    }
    // SAFETY: a block that is being read has an array of servers.
    if unsafe { (*block.servers).nelts } > 0 {
        return Err(SERVERS);
    }
    // nginx wants a server in every block, and other modules look at them; nobody is ever sent to this one.
    // SAFETY: the pool lives as long as the configuration.
    unsafe { add_placeholder((*cf).pool, block) }.ok_or("there is no memory")?;
    block.peer.init_upstream = Some(init_upstream);
    // None of the parameters of `server`.
    block.flags = NGX_HTTP_UPSTREAM_CREATE as ngx_uint_t;
    Ok(block)
}

const SERVERS: &str = "beside set_backend_balancer, `server` would never be used; take it out";

/// # Safety
/// The pool is alive.
unsafe fn add_placeholder(pool: *mut ngx_pool_t, block: &mut ngx_http_upstream_srv_conf_t) -> Option<()> {
    // SAFETY: the caller's promise; cleared memory is a valid value of each of these structures of C.
    unsafe {
        let address = ngx_pcalloc(pool, size_of::<sockaddr_in>()).cast::<sockaddr_in>().as_mut()?;
        address.sin_family = AF_INET as u16;
        address.sin_port = 1_u16.to_be();
        address.sin_addr = in_addr { s_addr: 1_u32.to_be() };
        let addresses = ngx_pcalloc(pool, size_of::<ngx_addr_t>()).cast::<ngx_addr_t>().as_mut()?;
        addresses.sockaddr = ptr::from_mut(address).cast();
        addresses.socklen = size_of::<sockaddr_in>() as u32;
        addresses.name = ngx_string!("0.0.0.1:1");
        let server = ngx_array_push(block.servers).cast::<ngx_http_upstream_server_t>();
        if server.is_null() {
            return None;
        }
        server.write(std::mem::zeroed());
        (*server).name = ngx_string!("0.0.0.1:1");
        (*server).addrs = addresses;
        (*server).naddrs = 1;
        (*server).weight = 1;
        (*server).max_fails = 1;
        (*server).fail_timeout = 10;
        (*server).down = 1;
    }
    Some(())
}

/// Called once the block was read.
unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    block: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx passes its configuration and the block.
    unsafe {
        if (*(*block).servers).nelts > 1 {
            let (file, line) = ((*block).file_name, (*block).line);
            let log = (*cf).log;
            let file = std::ffi::CStr::from_ptr(file.cast_const().cast()).to_string_lossy();
            crate::log::write(crate::log::EMERGENCY, log, format_args!("{SERVERS}, in {file}:{line}"));
            return NGX_ERROR as ngx_int_t;
        }
        // Leaves behind what other modules expect, `zone` among them.
        let code = ngx_http_upstream_init_round_robin(cf, block);
        (*block).peer.init = Some(init_peer);
        code
    }
}

/// What a request does with the servers of its host. Part of its state: nginx ends one way of passing a request on before it begins another.
#[derive(Default)]
pub(crate) struct Peers {
    passed: Option<Passed>,
    tried: Tried,
    current: Option<usize>,
}

/// A request, and the block that it is passed to.
#[derive(Clone, Copy)]
struct Passed {
    request: *mut ngx_http_request_t,
    block: *mut ngx_http_upstream_srv_conf_t,
}

/// The servers that a request was sent to. The first has a place of its own, since for most there is no other.
#[derive(Debug, Default)]
struct Tried {
    first: Option<usize>,
    more: Vec<usize>,
}

impl Tried {
    fn has(&self, index: usize) -> bool {
        self.first == Some(index) || self.more.contains(&index)
    }

    fn add(&mut self, index: usize) {
        match self.first {
            None => self.first = Some(index),
            Some(_) => self.more.push(index),
        }
    }

    fn forget(&mut self, index: usize) {
        if self.first == Some(index) {
            self.first = None;
        }
        self.more.retain(|one| *one != index);
    }
}

/// Called when a request is passed to the block.
unsafe extern "C" fn init_peer(
    request: *mut ngx_http_request_t,
    block: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx passes a request that is alive.
    let (Some(lookup), Some(worker)) = (unsafe { lookup::of(request) }, Worker::current()) else {
        return NGX_ERROR as ngx_int_t;
    };
    // Answered before, unless the block's name came from a variable; it is too late to wait now.
    // SAFETY: as above.
    unsafe { lookup.ask(&worker, request, false) };
    lookup.peers = Peers { passed: Some(Passed { request, block }), ..Peers::default() };
    // SAFETY: as above; a request that is passed on has a structure for its upstream.
    unsafe {
        let connection = &mut (*(*request).upstream).peer;
        connection.tries = lookup.upstreams().len().max(1);
        connection.name = &raw mut (*block).host;
        // It lives as long as the request.
        connection.data = ptr::from_mut(lookup).cast();
        connection.get = Some(get_peer);
        connection.free = Some(free_peer);
        connection.set_session = Some(set_session);
        connection.save_session = Some(save_session);
    }
    NGX_OK as ngx_int_t
}

/// Chooses a server that the request has not been sent to.
unsafe extern "C" fn get_peer(connection: *mut ngx_peer_connection_t, lookup: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx passes what `init_peer` gave it.
    let (connection, lookup) = unsafe { (&mut *connection, &mut *lookup.cast::<Lookup>()) };
    let Lookup { upstreams, peers, .. } = lookup;
    let (Some(passed), Some(worker)) = (peers.passed, Worker::current()) else {
        return NGX_ERROR as ngx_int_t;
    };
    connection.set_cached(0);
    connection.connection = ptr::null_mut();
    peers.current = worker.choose(upstreams, |index| !peers.tried.has(index));
    let Some(current) = peers.current else { return NGX_BUSY as ngx_int_t };
    peers.tried.add(current);
    // SAFETY: the request is alive while its connection is, and so is its pool.
    let target = unsafe { address::target_in((*passed.request).pool, &upstreams[current]) };
    let Some(target) = target else { return NGX_ERROR as ngx_int_t };
    connection.sockaddr = target.address;
    connection.socklen = target.length;
    connection.name = target.name;
    NGX_OK as ngx_int_t
}

/// Hears how a server fared.
unsafe extern "C" fn free_peer(
    connection: *mut ngx_peer_connection_t,
    lookup: *mut c_void,
    state: ngx_uint_t,
) {
    // SAFETY: nginx passes what `init_peer` gave it.
    let (connection, lookup) = unsafe { (&mut *connection, &mut *lookup.cast::<Lookup>()) };
    let Lookup { upstreams, answer, peers, .. } = lookup;
    if let (Some(passed), Some(current), Some(worker)) =
        (peers.passed, peers.current.take(), Worker::current())
    {
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0;
        // SAFETY: nginx passes its connection, if it still has one.
        let timed_out = failed && unsafe { has_timed_out(connection.connection) };
        if failed && !timed_out && connection.cached() != 0 {
            // The server had closed a connection that was kept open, which is its good right. nginx allows one more try.
            peers.tried.forget(current);
        } else {
            let outcome = match (failed, timed_out) {
                (false, _) => Outcome::Answered,
                (true, false) => Outcome::Failed,
                (true, true) => Outcome::TimedOut,
            };
            let named_by = match answer {
                Some(Answer::Upstreams { named_by }) => *named_by,
                _ => None,
            };
            // SAFETY: the request is alive while its upstream is.
            let host = || unsafe { lookup::host_of(passed.request) }.unwrap_or_default();
            // SAFETY: a block lives as long as the configuration, and that as long as its requests.
            let rules = || unsafe { config::rules_of(passed.block) };
            worker.heard((host, named_by), &upstreams[current], outcome, rules);
        }
    }
    connection.tries = connection.tries.saturating_sub(1);
}

/// Whether a time that nginx had set for this connection has passed.
///
/// # Safety
/// The connection is null or alive.
unsafe fn has_timed_out(connection: *mut ngx_connection_t) -> bool {
    // SAFETY: the caller's promise; a connection has both events.
    !connection.is_null()
        && unsafe { (*(*connection).read).timedout() != 0 || (*(*connection).write).timedout() != 0 }
}

/// TLS sessions are not kept: the next request may go to another server.
unsafe extern "C" fn set_session(_: *mut ngx_peer_connection_t, _: *mut c_void) -> ngx_int_t {
    NGX_OK as ngx_int_t
}

unsafe extern "C" fn save_session(_: *mut ngx_peer_connection_t, _: *mut c_void) {}
