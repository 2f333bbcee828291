//! Addresses of upstreams, as nginx wants them.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::{self, NonNull};

use ngx::ffi::{
    AF_INET, AF_INET6, AF_UNIX, in_addr, in6_addr, in6_addr__bindgen_ty_1, ngx_palloc, ngx_pool_t, ngx_str_t,
    sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t,
};
use plugin_host::{Upstream, UpstreamAddress};

use crate::memory;

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

/// Of `255.255.255.255:65535`.
const LONGEST_V4: usize = 21;

/// What most upstreams have, without the machinery of formatting, which is as expensive as looking a host up. Gives the length.
fn write_v4(address: SocketAddrV4, text: &mut [u8; LONGEST_V4]) -> usize {
    let mut length = 0;
    let mut push = |byte: u8| {
        text[length] = byte;
        length += 1;
    };
    for (number, end) in address.ip().octets().into_iter().zip(*b"...:") {
        if number >= 100 {
            push(b'0' + number / 100);
        }
        if number >= 10 {
            push(b'0' + number / 10 % 10);
        }
        push(b'0' + number % 10);
        push(end);
    }
    let port = address.port();
    for divisor in [10_000, 1_000, 100, 10] {
        if port >= divisor {
            push(b'0' + (port / divisor % 10) as u8);
        }
    }
    push(b'0' + (port % 10) as u8);
    length
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

/// An upstream as nginx's connections want it, in the pool of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: *mut sockaddr,
    pub(crate) length: socklen_t,
    /// What nginx logs and has in `$upstream_addr`, where each try has its own.
    pub(crate) name: *mut ngx_str_t,
}

/// The address of an upstream that [`is_usable`], in `pool`. `None` if there is no memory.
///
/// # Safety
/// The pool is alive.
pub(crate) unsafe fn target_in(pool: *mut ngx_pool_t, upstream: &Upstream) -> Option<Target> {
    match upstream.address {
        UpstreamAddress::Ip(SocketAddr::V4(address)) => {
            // All in one piece, since this is done for nearly every request.
            let mut text = [0; LONGEST_V4];
            let length = write_v4(address, &mut text);
            let name = ngx_str_t { len: length, data: ptr::null_mut() };
            // SAFETY: the caller's promise.
            let whole = unsafe { in_pool(pool, V4 { name, address: kernels_v4(address), text })?.as_mut() };
            whole.name.data = whole.text.as_mut_ptr();
            Some(Target {
                address: (&raw mut whole.address).cast(),
                length: size_of::<sockaddr_in>() as socklen_t,
                name: &raw mut whole.name,
            })
        }
        UpstreamAddress::Ip(SocketAddr::V6(address)) => {
            // SAFETY: the caller's promise.
            let kernels = unsafe { in_pool(pool, kernels_v6(address)) }?;
            // SAFETY: as above.
            unsafe { with_name(pool, kernels, upstream) }
        }
        UpstreamAddress::Unix => {
            // SAFETY: the caller's promise.
            let kernels = unsafe { in_pool(pool, kernels_unix(&upstream.name)) }?;
            // SAFETY: as above.
            unsafe { with_name(pool, kernels, upstream) }
        }
    }
}

/// What is made for an IPv4 address.
struct V4 {
    name: ngx_str_t,
    address: sockaddr_in,
    text: [u8; LONGEST_V4],
}

/// # Safety
/// The pool is alive, and `T` one of the kernel's kinds of address.
unsafe fn with_name<T>(pool: *mut ngx_pool_t, address: NonNull<T>, upstream: &Upstream) -> Option<Target> {
    // SAFETY: the caller's promise.
    let name = unsafe { in_pool(pool, memory::copy_text(pool, in_log(upstream).as_bytes())?) }?;
    let length = size_of::<T>() as socklen_t;
    Some(Target { address: address.as_ptr().cast(), length, name: name.as_ptr() })
}

fn kernels_v4(address: SocketAddrV4) -> sockaddr_in {
    sockaddr_in {
        sin_family: AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn kernels_v6(address: SocketAddrV6) -> sockaddr_in6 {
    sockaddr_in6 {
        sin6_family: AF_INET6 as u16,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: address.flowinfo(),
        sin6_addr: in6_addr { __in6_u: in6_addr__bindgen_ty_1 { __u6_addr8: address.ip().octets() } },
        sin6_scope_id: address.scope_id(),
    }
}

fn kernels_unix(path: &str) -> sockaddr_un {
    let mut address = sockaddr_un { sun_family: AF_UNIX as u16, sun_path: [0; 108] };
    for (place, byte) in address.sun_path.iter_mut().zip(path.bytes().take(LONGEST_PATH)) {
        *place = byte as std::ffi::c_char;
    }
    address
}

/// Moves a value that needs no end into `pool`. `None` if there is no memory.
///
/// # Safety
/// The pool is alive.
unsafe fn in_pool<T>(pool: *mut ngx_pool_t, value: T) -> Option<NonNull<T>> {
    const { assert!(align_of::<T>() <= align_of::<usize>(), "pools align to words") };
    // SAFETY: the caller's promise.
    let place = NonNull::new(unsafe { ngx_palloc(pool, size_of::<T>()) }.cast::<T>())?;
    // SAFETY: pools align for any structure, and so many bytes were just allocated.
    unsafe { place.write(value) };
    Some(place)
}
