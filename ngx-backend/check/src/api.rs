//! The daemon's API over its unix socket, where this user needs no token.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends one request on a connection of its own and gives the answer's status and body.
///
/// # Errors
/// If no whole answer comes within `patience`, which a timeout's error tells.
pub(crate) fn send(
    socket: &Path,
    method: &str,
    path: &str,
    body: &str,
    patience: Duration,
) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = body.len();
    // HTTP/1.0, so that the answer ends with the connection.
    stream.write_all(
        format!("{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{answer:?} is no answer")))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_a_status_and_a_body() {
        let cases = [
            ("HTTP/1.0 201 Created\r\na: b\r\n\r\n{}", Some((201, "{}"))),
            ("HTTP/1.1 204 No Content\r\n\r\n", Some((204, ""))),
            ("HTTP/1.0 200 OK\r\na: b\r\n", None),
            ("SSH-2.0\r\n\r\n", None),
            ("", None),
        ];
        for (answer, expected) in cases {
            assert_eq!(parse(answer), expected.map(|(status, body)| (status, body.to_owned())), "{answer:?}");
        }
    }
}
