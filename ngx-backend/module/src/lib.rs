//! An nginx module that asks a resolver plugin for the upstreams of a request's host.
//!
//! ```nginx
//! http {
//!     set_backend_library /usr/lib/dynlab/snapshot.so;
//!     set_backend_map     /run/backend/map;
//!     # Asked where the one before does not know.
//!     set_backend_library /usr/lib/dynlab/socket.so;
//!     set_backend_map     /run/backend/resolve.sock;
//!
//!     # Keeps connections to upstreams open.
//!     upstream by_host {
//!         set_backend_balancer;
//!         keepalive 64;
//!     }
//!     server {
//!         location / { proxy_pass http://by_host; }
//!         # Or with a variable, which proxy_pass opens a connection a request for.
//!         location /plain { set_backend $backend; proxy_pass http://$backend$request_uri; }
//!     }
//! }
//! ```
//!
//! The plugin is judged and loaded in each worker, after the fork: what it may need, such as a thread, a socket or a mapping,
//! would not survive in the child. Nothing here is started before, and nothing blocks a worker: a plugin that does not know
//! yet is asked again when it says so.

mod address;
mod balancer;
mod bell;
mod config;
mod content;
mod directives;
mod log;
mod lookup;
mod memory;
mod variable;
mod worker;

use std::ptr::{addr_of, addr_of_mut};

use ngx::ffi::{NGX_HTTP_MODULE, ngx_http_module_t, ngx_module_t, ngx_uint_t};
use ngx::http::HttpModule;

use crate::config::Module;

/// The names under which nginx looks for modules in a file.
mod exported {
    #![allow(missing_docs, reason = "the macro writes statics without any")]

    use super::ngx_http_set_backend_module;

    ngx::ngx_modules!(ngx_http_set_backend_module);
}

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: Some(config::complete),
    create_main_conf: Some(Module::create_main_conf),
    init_main_conf: None,
    create_srv_conf: Some(Module::create_srv_conf),
    merge_srv_conf: None,
    create_loc_conf: Some(Module::create_loc_conf),
    merge_loc_conf: Some(Module::merge_loc_conf),
};

/// What nginx finds when it opens this file.
// Writable, since nginx numbers its modules in their own memory.
#[used]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_set_backend_module: ngx_module_t = ngx_module_t {
    ctx: addr_of!(CONTEXT).cast_mut().cast(),
    commands: addr_of_mut!(directives::DIRECTIVES).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    #[cfg(feature = "load-before-fork")]
    init_module: Some(worker::early::load),
    init_process: Some(worker::start),
    exit_process: Some(worker::end),
    ..ngx_module_t::default()
};
