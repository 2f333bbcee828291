//! The least of an HTTP client that can also send what a good one never would.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long nginx may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code; 0 if the connection ended without one.
    pub status: u16,
    /// Status line and header fields, as they came.
    pub head: String,
    /// The content, of which is taken that it is neither chunked nor binary.
    pub body: String,
}

/// Sends `request` over a new connection and reads until the other side closes it.
pub(crate) fn exchange(socket: &Path, request: &[u8]) -> io::Result<Answer> {
    exchange_within(socket, request, PATIENCE)
}

/// As [`exchange`], where nginx may be silent for `patience` at most.
pub(crate) fn exchange_within(socket: &Path, request: &[u8], patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\nno\r\n\r\nmore");
        assert_eq!((answer.status, answer.body.as_str()), (404, "no\r\n\r\nmore"));
        assert_eq!(parse("").status, 0);
    }
}
