//! Addresses of upstreams, as nginx wants them.

use std::net::{IpAddr, SocketAddr};

use ngx::ffi::{
    AF_INET, AF_INET6, AF_UNIX, in_addr, in6_addr, in6_addr__bindgen_ty_1, ngx_palloc, ngx_pool_t, sockaddr,
    sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t,
};
use plugin_host::{Upstream, UpstreamAddress};

/// The longest path of a unix socket, without the NUL behind it (unix(7)).
const LONGEST_PATH: usize = size_of::<sockaddr_un>() - std::mem::offset_of!(sockaddr_un, sun_path) - 1;

/// What stands behind `http://` in `proxy_pass`, so that a path may follow: `10.0.0.1:80`, `[::1]:80` or `unix:/path:`.
pub(crate) fn in_url(upstream: &Upstream) -> String {
    match upstream.address {
        UpstreamAddress::Ip(address) => address.to_string(),
        UpstreamAddress::Unix => format!("unix:{}:", upstream.name),
    }
}

/// The name that nginx logs, and has in `$upstream_addr`.
pub(crate) fn in_log(upstream: &Upstream) -> String {
    match upstream.address {
        UpstreamAddress::Ip(address) => address.to_string(),
        UpstreamAddress::Unix => format!("unix:{}", upstream.name),
    }
}

/// Whether nginx can connect to it: it has a port, or a path that fits and that a URL can hold.
pub(crate) fn is_usable(upstream: &Upstream) -> bool {
    match upstream.address {
        UpstreamAddress::Ip(address) => address.port() != 0 && !address.ip().is_unspecified(),
        UpstreamAddress::Unix => {
            let path = upstream.name.as_bytes();
            path.starts_with(b"/")
                && path.len() <= LONGEST_PATH
                && !path.contains(&0)
                && !path.contains(&b':')
        }
    }
}

/// Reads `IP:port` or `unix:/path`. Names are refused, since nothing would resolve them.
pub(crate) fn parse(text: &str) -> Option<Upstream> {
    let upstream = match text.strip_prefix("unix:") {
        Some(path) => {
            let name = path.strip_suffix(':').unwrap_or(path).to_owned();
            Upstream { address: UpstreamAddress::Unix, weight: 1, name }
        }
        None => Upstream { address: UpstreamAddress::Ip(text.parse().ok()?), weight: 1, name: String::new() },
    };
    is_usable(&upstream).then_some(upstream)
}

/// The address of an upstream that [`is_usable`], in `pool`, and its length. `None` if there is no memory.
///
/// # Safety
/// The pool is alive.
pub(crate) unsafe fn for_kernel(
    pool: *mut ngx_pool_t,
    upstream: &Upstream,
) -> Option<(*mut sockaddr, socklen_t)> {
    match upstream.address {
        UpstreamAddress::Ip(address) => match address.ip() {
            IpAddr::V4(ip) => {
                let address = sockaddr_in {
                    sin_family: AF_INET as u16,
                    sin_port: address.port().to_be(),
                    sin_addr: in_addr { s_addr: u32::from(ip).to_be() },
                    sin_zero: [0; 8],
                };
                // SAFETY: the caller's promise.
                unsafe { in_pool(pool, address, size_of::<sockaddr_in>()) }
            }
            IpAddr::V6(ip) => {
                let SocketAddr::V6(whole) = address else { return None };
                let address = sockaddr_in6 {
                    sin6_family: AF_INET6 as u16,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: whole.flowinfo(),
                    sin6_addr: in6_addr { __in6_u: in6_addr__bindgen_ty_1 { __u6_addr8: ip.octets() } },
                    sin6_scope_id: whole.scope_id(),
                };
                // SAFETY: the caller's promise.
                unsafe { in_pool(pool, address, size_of::<sockaddr_in6>()) }
            }
        },
        UpstreamAddress::Unix => {
            let mut address = sockaddr_un { sun_family: AF_UNIX as u16, sun_path: [0; 108] };
            for (place, byte) in address.sun_path.iter_mut().zip(upstream.name.bytes().take(LONGEST_PATH)) {
                *place = byte as std::ffi::c_char;
            }
            // SAFETY: the caller's promise.
            unsafe { in_pool(pool, address, size_of::<sockaddr_un>()) }
        }
    }
}

/// # Safety
/// The pool is alive, and `T` one of the kernel's kinds of address.
unsafe fn in_pool<T>(pool: *mut ngx_pool_t, address: T, length: usize) -> Option<(*mut sockaddr, socklen_t)> {
    // SAFETY: the caller's promise.
    let place = unsafe { ngx_palloc(pool, length) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: pools align for any structure, and so many bytes were just allocated.
    unsafe { place.write(address) };
    Some((place.cast(), length as socklen_t))
}
