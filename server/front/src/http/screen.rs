//! What is answered before the application sees the request: forms of requests that HTTP knows and applications need not.

use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, StatusCode, Version};

/// What is to become of a request, by its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Screened {
    /// It is for the application; its target has a path that begins with `/`.
    Pass,
    /// It is not, and this is the answer.
    Answered(StatusCode),
}

pub(super) fn screen<B>(request: &Request<B>) -> Screened {
    use Screened::{Answered, Pass};
    if !names_one_host(request.headers(), request.version()) {
        return Answered(StatusCode::BAD_REQUEST);
    }
    // RFC 9110, section 9.3.6: for proxies, which this is not.
    if request.method() == Method::CONNECT {
        return Answered(StatusCode::NOT_IMPLEMENTED);
    }
    match request.uri().path() {
        path if path.starts_with('/') => Pass,
        // RFC 9110, section 9.3.7: a question to the server as a whole, good as a ping.
        "*" if request.method() == Method::OPTIONS => Answered(StatusCode::NO_CONTENT),
        _ => Answered(StatusCode::BAD_REQUEST),
    }
}

/// RFC 9112, section 3.2: none or several are to be refused, as different readers would see different hosts. HTTP/1.0 knew no such field.
fn names_one_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => version == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &str, version: Version, hosts: &[&str]) -> u16 {
        let mut request = Request::builder().method(method).uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        match screen(&request.body(()).unwrap()) {
            Screened::Pass => 0,
            Screened::Answered(status) => status.as_u16(),
        }
    }

    #[test]
    fn only_requests_with_a_path_pass() {
        let cases = [
            ("GET", "/", 0),
            ("GET", "/a?b", 0),
            ("GET", "http://example.org/a", 0),
            ("GET", "http://example.org", 0),
            ("OPTIONS", "/a", 0),
            ("OPTIONS", "*", 204),
            ("GET", "*", 400),
            ("GET", "example.org:80", 400),
            ("CONNECT", "example.org:80", 501),
            ("CONNECT", "/a", 501),
        ];
        for (method, target, expected) in cases {
            assert_eq!(check(method, target, Version::HTTP_11, &["x"]), expected, "{method} {target}");
        }
    }

    #[test]
    fn there_is_one_host() {
        let cases: [(Version, &[&str], u16); 5] = [
            (Version::HTTP_11, &["a"], 0),
            (Version::HTTP_11, &[], 400),
            (Version::HTTP_11, &["a", "a"], 400),
            (Version::HTTP_10, &[], 0),
            (Version::HTTP_10, &["a", "b"], 400),
        ];
        for (version, hosts, expected) in cases {
            assert_eq!(check("GET", "/", version, hosts), expected, "{version:?} {hosts:?}");
        }
    }
}
