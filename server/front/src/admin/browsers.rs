//! Keeps web pages out of the admin side. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode};

use super::answer::Refusal;

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through a file that only its owner can open.
    Unix,
    /// Through a port that every program of this machine can open, a browser too, and through it any page.
    Tcp,
}

/// Lets no web page in: neither by a request to this address from a page (fetch and forms name their origin), nor by a name of
/// the page's own that leads to this machine (DNS rebinding; the host would be that name).
///
/// # Errors
/// 403 saying why.
pub(super) fn keep_browsers_out(way: Way, head: &Parts) -> Result<(), Refusal> {
    let forbidden = |sentence: &str| Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
    // Fetch standard, and Fetch Metadata Request Headers: "none" is what a person typed in.
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let fetch_site = head.headers.get(FETCH_SITE);
    if head.headers.contains_key(ORIGIN) || fetch_site.is_some_and(|site| site != "none") {
        return forbidden("a web page sent this, and the admin side does not serve web pages");
    }
    if way == Way::Tcp && !names_loopback(head.uri.authority(), &head.headers) {
        return forbidden("the host of the request is not a loopback address such as 127.0.0.1");
    }
    Ok(())
}

/// Whether all that the request says of its host is a loopback address, or `localhost`: that name is this machine whoever is
/// asked (RFC 6761, section 6.3).
fn names_loopback(in_target: Option<&Authority>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let in_field = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let Some(in_field) = in_field else { return false };
    is_loopback(&in_field) && in_target.is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(address) => address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None if host.eq_ignore_ascii_case("localhost") => true,
        None => host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn pages_are_kept_out_and_programs_are_not() {
        let none = ("x-nothing", "");
        let cases = [
            (Way::Unix, ("host", "anything.example"), none, true),
            (Way::Unix, none, none, true),
            (Way::Unix, ("host", "localhost"), ("origin", "null"), false),
            (Way::Tcp, ("host", "127.0.0.1:9000"), none, true),
            (Way::Tcp, ("host", "[::1]:9000"), none, true),
            (Way::Tcp, ("host", "LOCALHOST"), none, true),
            (Way::Tcp, ("host", "127.0.0.1:9000"), ("origin", "http://127.0.0.1:9000"), false),
            (Way::Tcp, ("host", "127.0.0.1"), ("sec-fetch-site", "cross-site"), false),
            (Way::Tcp, ("host", "127.0.0.1"), ("sec-fetch-site", "none"), true),
            (Way::Tcp, none, none, false),
            (Way::Tcp, ("host", "rebound.example:9000"), none, false),
            (Way::Tcp, ("host", "127.0.0.1.example"), none, false),
            (Way::Tcp, ("host", "192.0.2.1"), none, false),
            (Way::Tcp, ("host", "user@127.0.0.1"), none, true),
            (Way::Tcp, ("host", "127.0.0.1@rebound.example"), none, false),
            (Way::Tcp, ("host", ""), none, false),
            (Way::Tcp, ("host", "127.0.0.1"), ("host", "rebound.example"), false),
        ];
        for (way, first, second, expected) in cases {
            let request =
                Request::builder().header(first.0, first.1).header(second.0, second.1).body(()).unwrap();
            let let_in = keep_browsers_out(way, &request.into_parts().0).is_ok();
            assert_eq!(let_in, expected, "{way:?} {first:?} {second:?}");
        }
        let absolute = Request::builder()
            .uri("http://rebound.example/plugins")
            .header("host", "127.0.0.1")
            .body(())
            .unwrap();
        assert!(keep_browsers_out(Way::Tcp, &absolute.into_parts().0).is_err());
    }
}
