//! What the configuration says.

use std::time::Duration;

use backend_balance::Rules;
use ngx::ffi::{
    NGX_ERROR, NGX_OK, ngx_array_push, ngx_conf_t, ngx_http_handler_pt,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_http_request_t, ngx_http_upstream_conf_t,
    ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_module_t,
};
use ngx::http::{
    HttpModule, HttpModuleConfExt, HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf, Merge,
    MergeConfigError, NgxHttpCoreModule,
};
use plugin_host::Upstream;

use crate::content;

/// Stands for this module where types choose among modules.
pub(crate) struct Module;

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: nginx writes to it only while it reads the configuration, in the thread that is here now.
        unsafe { &*std::ptr::addr_of!(crate::ngx_http_set_backend_module) }
    }
}

/// What holds for all of `http`.
#[derive(Debug, Default)]
pub(crate) struct MainConf {
    /// The resolvers, in the order in which they are asked.
    pub(crate) resolvers: Vec<ResolverConf>,
    /// Upstream blocks with `set_backend_balancer`.
    pub(crate) balanced: Vec<*mut ngx_http_upstream_srv_conf_t>,
    /// Whether `set_backend` stands anywhere.
    pub(crate) has_variables: bool,
    /// The modules that pass requests to upstream blocks, by their place among the configurations of a location.
    passing: Vec<usize>,
}

/// A resolver.
#[derive(Debug)]
pub(crate) struct ResolverConf {
    /// The plugin's file.
    pub(crate) library: String,
    /// What it reads, or whom it asks: its setting `path`.
    pub(crate) map: Option<String>,
}

/// What holds for an upstream block.
#[derive(Debug, Default)]
pub(crate) struct UpstreamConf {
    /// When a server is left out.
    pub(crate) rules: Rules,
}

/// What holds for a location.
#[derive(Debug, Default)]
pub(crate) struct LocationConf {
    /// Where requests for unknown hosts go.
    pub(crate) default: Option<Upstream>,
    /// How requests are answered that go nowhere.
    pub(crate) missing: Option<ngx_int_t>,
    /// How long a request waits for the resolver.
    pub(crate) timeout: Option<Duration>,
}

// SAFETY: the types are those that `HttpModule` makes here.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: as above.
unsafe impl HttpModuleServerConf for Module {
    type ServerConf = UpstreamConf;
}

// SAFETY: as above.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}

impl Merge for LocationConf {
    fn merge(&mut self, outer: &LocationConf) -> Result<(), MergeConfigError> {
        self.default = self.default.take().or_else(|| outer.default.clone());
        self.missing = self.missing.or(outer.missing);
        self.timeout = self.timeout.or(outer.timeout);
        Ok(())
    }
}

/// Modules whose configuration of a location begins with an `ngx_http_upstream_conf_t`.
const PASSING: [&[u8]; 6] = [
    b"ngx_http_proxy_module",
    b"ngx_http_grpc_module",
    b"ngx_http_fastcgi_module",
    b"ngx_http_uwsgi_module",
    b"ngx_http_scgi_module",
    b"ngx_http_memcached_module",
];

/// Called once the configuration was read.
pub(crate) unsafe extern "C" fn complete(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx passes its configuration, in which both modules have theirs.
    let (main, core) = unsafe { (Module::main_conf_mut(&*cf), NgxHttpCoreModule::main_conf_mut(&*cf)) };
    let (Some(main), Some(core)) = (main, core) else { return NGX_ERROR as ngx_int_t };
    if main.balanced.is_empty() && !main.has_variables {
        return NGX_OK as ngx_int_t;
    }
    // SAFETY: the cycle's modules are a list that ends with null, of modules with names.
    unsafe {
        let mut module = (*(*cf).cycle).modules;
        while !(*module).is_null() {
            if PASSING.contains(&std::ffi::CStr::from_ptr((**module).name).to_bytes()) {
                main.passing.push((**module).ctx_index);
            }
            module = module.add(1);
        }
    }
    let handlers = &raw mut core.phases[ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as usize].handlers;
    // SAFETY: nginx made an array of handlers for every phase.
    let handler = unsafe { ngx_array_push(handlers) }.cast::<ngx_http_handler_pt>();
    if handler.is_null() {
        return NGX_ERROR as ngx_int_t;
    }
    // SAFETY: a place of that type was just made.
    unsafe { handler.write(Some(content::prepare)) };
    NGX_OK as ngx_int_t
}

/// Whether the location of `request` passes to an upstream block with `set_backend_balancer`, as far as this is known
/// before the request is passed: not if the block's name is in a variable.
///
/// # Safety
/// The request is alive.
pub(crate) unsafe fn is_balanced(request: *mut ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise.
    let Some(main) = Module::main_conf(unsafe { &*request }) else { return false };
    !main.balanced.is_empty()
        && main.passing.iter().any(|&place| {
            // SAFETY: every location has a configuration of every module, and that of these begins with this structure.
            let upstream = unsafe {
                let conf = *(*request).loc_conf.add(place);
                (*conf.cast::<ngx_http_upstream_conf_t>()).upstream
            };
            main.balanced.contains(&upstream)
        })
}

/// The location's configuration.
///
/// # Safety
/// The request is alive.
pub(crate) unsafe fn of_location<'a>(request: *mut ngx_http_request_t) -> &'a LocationConf {
    static NOTHING: LocationConf = LocationConf { default: None, missing: None, timeout: None };
    // SAFETY: the caller's promise.
    Module::location_conf(unsafe { &*request }).unwrap_or(&NOTHING)
}

/// The upstream block's configuration.
///
/// # Safety
/// The block is alive.
pub(crate) unsafe fn rules_of(upstream: *mut ngx_http_upstream_srv_conf_t) -> Rules {
    // SAFETY: the caller's promise; the type is that of this module.
    unsafe { (*upstream).http_server_conf_unchecked::<UpstreamConf>(Module::module()) }
        // SAFETY: nginx keeps it as long as the block.
        .map_or_else(Rules::default, |conf| unsafe { conf.as_ref() }.rules)
}
