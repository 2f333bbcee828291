//! The directives: their names, where they may stand, and what they are made of.

use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::ffi::{
    NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF, NGX_HTTP_SRV_CONF_OFFSET,
    NGX_HTTP_UPS_CONF, NGX_HTTP_VAR_CHANGEABLE, NGX_LOG_EMERG, NGX_OK, ngx_command_t, ngx_conf_full_name,
    ngx_conf_log_error, ngx_conf_t, ngx_http_add_variable, ngx_int_t, ngx_parse_time, ngx_str_t, ngx_uint_t,
};
use ngx::http::HttpModuleMainConf;
use ngx::ngx_string;

use crate::config::{LocationConf, MainConf, Module, ResolverConf, UpstreamConf};
use crate::{address, balancer, variable};

type Set = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

const HTTP: u32 = NGX_HTTP_MAIN_CONF;
const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

/// All directives, ended by an empty one.
pub(crate) static mut DIRECTIVES: [ngx_command_t; 8] = [
    directive(ngx_string!("set_backend"), ANYWHERE | NGX_CONF_TAKE1, set_backend, NGX_HTTP_MAIN_CONF_OFFSET),
    directive(
        ngx_string!("set_backend_balancer"),
        NGX_HTTP_UPS_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE12,
        set_backend_balancer,
        NGX_HTTP_SRV_CONF_OFFSET,
    ),
    directive(
        ngx_string!("set_backend_library"),
        HTTP | NGX_CONF_TAKE1,
        set_backend_library,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    directive(
        ngx_string!("set_backend_map"),
        HTTP | NGX_CONF_TAKE1,
        set_backend_map,
        NGX_HTTP_MAIN_CONF_OFFSET,
    ),
    directive(
        ngx_string!("set_backend_default"),
        ANYWHERE | NGX_CONF_TAKE1,
        set_backend_default,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    directive(
        ngx_string!("set_backend_missing"),
        ANYWHERE | NGX_CONF_TAKE1,
        set_backend_missing,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    directive(
        ngx_string!("set_backend_timeout"),
        ANYWHERE | NGX_CONF_TAKE1,
        set_backend_timeout,
        NGX_HTTP_LOC_CONF_OFFSET,
    ),
    ngx_command_t::empty(),
];

const fn directive(name: ngx_str_t, kind: u32, set: Set, conf: usize) -> ngx_command_t {
    ngx_command_t {
        name,
        type_: kind as ngx_uint_t,
        set: Some(set),
        conf,
        offset: 0,
        post: std::ptr::null_mut(),
    }
}

/// What nginx says when a directive stands twice in one place.
const DUPLICATE: &CStr = c"is duplicate";

unsafe extern "C" fn set_backend(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes the directive's words and this module's configuration.
    let (words, main) = unsafe { (words(cf), &mut *conf.cast::<MainConf>()) };
    let name = words[1].as_bytes().strip_prefix(b"$").filter(|name| !name.is_empty());
    let Some(name) = name else {
        // SAFETY: the configuration is being read.
        return unsafe { refuse(cf, format_args!("set_backend takes a variable, such as $backend")) };
    };
    let mut name = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
    // SAFETY: the name lives as long as the configuration.
    let variable = unsafe { ngx_http_add_variable(cf, &raw mut name, NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t) };
    if variable.is_null() {
        return NGX_CONF_ERROR;
    }
    // SAFETY: nginx has just made or found the variable.
    unsafe { (*variable).get_handler = Some(variable::get) };
    main.has_variables = true;
    NGX_CONF_OK
}

unsafe extern "C" fn set_backend_balancer(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes the directive's words and this module's configuration of the upstream block.
    let (words, upstream) = unsafe { (words(cf), &mut *conf.cast::<UpstreamConf>()) };
    for word in &words[1..] {
        let text = word.as_bytes();
        if let Some(number) = text.strip_prefix(b"max_fails=").and_then(number) {
            upstream.rules.max_fails = number;
        } else if let Some(time) = text.strip_prefix(b"fail_timeout=").and_then(time) {
            upstream.rules.fail_timeout = time;
        } else {
            let word = String::from_utf8_lossy(text);
            let line = format_args!(
                "set_backend_balancer takes max_fails=NUMBER and fail_timeout=TIME, not {word:?}"
            );
            // SAFETY: the configuration is being read.
            return unsafe { refuse(cf, line) };
        }
    }
    // SAFETY: the configuration is being read, in an upstream block.
    match unsafe { balancer::enable(cf) } {
        // SAFETY: as above.
        Ok(block) => match Module::main_conf_mut(unsafe { &*cf }) {
            Some(main) => {
                main.balanced.push(block);
                NGX_CONF_OK
            }
            None => NGX_CONF_ERROR,
        },
        // SAFETY: as above.
        Err(reason) => unsafe { refuse(cf, format_args!("{reason}")) },
    }
}

unsafe extern "C" fn set_backend_library(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes this module's configuration, which is being read.
    let (path, main) = unsafe { (path(cf), &mut *conf.cast::<MainConf>()) };
    let Some(library) = path else { return NGX_CONF_ERROR };
    main.resolvers.push(ResolverConf { library, map: None });
    NGX_CONF_OK
}

unsafe extern "C" fn set_backend_map(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes this module's configuration, which is being read.
    let (path, main) = unsafe { (path(cf), &mut *conf.cast::<MainConf>()) };
    let Some(map) = path else { return NGX_CONF_ERROR };
    match main.resolvers.last_mut() {
        Some(ResolverConf { map: place @ None, .. }) => *place = Some(map),
        Some(_) => return DUPLICATE.as_ptr().cast_mut(),
        None => {
            let line = format_args!("set_backend_map stands behind the set_backend_library that reads it");
            // SAFETY: the configuration is being read.
            return unsafe { refuse(cf, line) };
        }
    }
    NGX_CONF_OK
}

/// The argument as a path, relative to nginx's prefix as those of `load_module` are. `None` once an error is logged.
///
/// # Safety
/// The configuration is being read.
unsafe fn path(cf: *mut ngx_conf_t) -> Option<String> {
    // SAFETY: the caller's promise.
    let word = unsafe { &mut words(cf)[1] };
    // SAFETY: the caller's promise.
    if unsafe { ngx_conf_full_name((*cf).cycle, word, 0) } != NGX_OK as ngx_int_t {
        return None;
    }
    let path = std::str::from_utf8(word.as_bytes()).ok().map(str::to_owned);
    if path.is_none() {
        // SAFETY: the caller's promise.
        unsafe { refuse(cf, format_args!("the path is not UTF-8")) };
    }
    path
}

unsafe extern "C" fn set_backend_default(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes the directive's words and this module's configuration.
    let (words, location) = unsafe { (words(cf), &mut *conf.cast::<LocationConf>()) };
    if location.default.is_some() {
        return DUPLICATE.as_ptr().cast_mut();
    }
    let text = String::from_utf8_lossy(words[1].as_bytes());
    location.default = address::parse(&text);
    if location.default.is_none() {
        let line = format_args!(
            "set_backend_default takes IP:port, [IPv6]:port or unix:/path, not {text:?}; names are not resolved"
        );
        // SAFETY: the configuration is being read.
        return unsafe { refuse(cf, line) };
    }
    NGX_CONF_OK
}

unsafe extern "C" fn set_backend_missing(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes the directive's words and this module's configuration.
    let (words, location) = unsafe { (words(cf), &mut *conf.cast::<LocationConf>()) };
    if location.missing.is_some() {
        return DUPLICATE.as_ptr().cast_mut();
    }
    location.missing = match words[1].as_bytes() {
        b"404" => Some(404),
        b"502" => Some(502),
        b"503" => Some(503),
        // SAFETY: the configuration is being read.
        _ => return unsafe { refuse(cf, format_args!("set_backend_missing takes 404, 502 or 503")) },
    };
    NGX_CONF_OK
}

unsafe extern "C" fn set_backend_timeout(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes the directive's words and this module's configuration.
    let (words, location) = unsafe { (words(cf), &mut *conf.cast::<LocationConf>()) };
    if location.timeout.is_some() {
        return DUPLICATE.as_ptr().cast_mut();
    }
    location.timeout = time(words[1].as_bytes());
    if location.timeout.is_none() {
        // SAFETY: the configuration is being read.
        return unsafe { refuse(cf, format_args!("set_backend_timeout takes a time, such as 500ms or 1s")) };
    }
    NGX_CONF_OK
}

/// The directive and its arguments, as many as its kind allows.
///
/// # Safety
/// The configuration is being read, and nobody else has these words.
unsafe fn words<'a>(cf: *mut ngx_conf_t) -> &'a mut [ngx_str_t] {
    // SAFETY: nginx has the words of a directive in an array of texts.
    unsafe { std::slice::from_raw_parts_mut((*(*cf).args).elts.cast(), (*(*cf).args).nelts) }
}

/// Says why the configuration is refused, with nginx's own words on where that is.
///
/// # Safety
/// The configuration is being read.
unsafe fn refuse(cf: *mut ngx_conf_t, reason: std::fmt::Arguments<'_>) -> *mut c_char {
    let reason = reason.to_string();
    // SAFETY: the format takes a length and a pointer to so many bytes.
    unsafe {
        ngx_conf_log_error(
            NGX_LOG_EMERG as ngx_uint_t,
            cf,
            0,
            c"%*s".as_ptr(),
            reason.len(),
            reason.as_ptr(),
        );
    }
    NGX_CONF_ERROR
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A time in nginx's notation, such as `500ms` or `1m`.
fn time(text: &[u8]) -> Option<Duration> {
    let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: nginx reads so many bytes and keeps nothing.
    let milliseconds = unsafe { ngx_parse_time(&raw mut text, 0) };
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}
