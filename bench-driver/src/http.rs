//! Just enough of HTTP/1.1 (RFC 9112) for a client that knows which answers to expect.

use crate::order::Ask;

/// The bytes of a request; for the host of that number, where there are several.
pub(crate) fn request(ask: &Ask, number: u32) -> Vec<u8> {
    let host = ask.hosts.as_ref().map_or_else(|| ask.address.to_string(), |hosts| hosts.name(number));
    format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", ask.path).into_bytes()
}

/// A head that has come whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The field `content-type`; empty if there is none.
    pub(crate) content_type: &'a str,
    /// Bytes of head and body together.
    pub(crate) total: usize,
    /// Bytes of the head.
    pub(crate) length: usize,
}

/// Reads the head at the start of `bytes`; `None` until all of it is there.
///
/// # Errors
/// No HTTP/1.1, or an answer whose end `content-length` does not tell.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return match bytes.len() {
            ..=65_536 => Ok(None),
            _ => Err("a head of more than 64 KiB".to_owned()),
        };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is no text".to_owned())?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("an answer that begins with {first:?}"))?;
    let mut content_type = "";
    let mut body = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = value.trim();
        }
    }
    let body = body.ok_or_else(|| format!("an answer {status} without a content-length"))?;
    let length = end + 4;
    Ok(Some(Head { status, content_type, total: length + body, length }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Hosts, Protocol};

    #[test]
    fn a_request_names_its_host() {
        let mut ask = Ask {
            address: ([127, 0, 0, 1], 80).into(),
            path: "/a".into(),
            content_type: String::new(),
            body: String::new(),
            protocol: Protocol::Http,
            hosts: None,
        };
        assert_eq!(request(&ask, 7), b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        ask.hosts = Some(Hosts { before: "a".into(), after: "b".into(), count: 10 });
        assert_eq!(request(&ask, 7), b"GET /a HTTP/1.1\r\nHost: a00000007b\r\n\r\n");
    }

    #[test]
    fn an_answer_is_read_when_its_head_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 2\r\n\r\nokHTTP";
        for cut in 0..64 {
            assert_eq!(head(&bytes[..cut]), Ok(None), "{cut}");
        }
        let whole = Head { status: 200, content_type: "text/plain", total: 66, length: 64 };
        assert_eq!(head(bytes), Ok(Some(whole)));
    }

    #[test]
    fn what_has_no_known_end_is_an_error() {
        for (bytes, complaint) in [
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "without a content-length"),
            ("SSH-2.0\r\n\r\n", "begins with \"SSH-2.0\""),
        ] {
            let error = head(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
        assert!(head(&[b'a'; 70_000]).is_err());
    }
}
