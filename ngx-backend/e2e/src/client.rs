//! The least of an HTTP client that can also send what a good one never would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
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

/// A request of HTTP/1.0: the answer is never chunked, and the connection is closed behind it.
pub(crate) fn request(method: &str, host: &str, target: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut head =
        format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n" + body
}

/// A connection that is kept open, and so one to the same worker.
#[derive(Debug)]
pub struct Connection(BufReader<UnixStream>);

/// A client that asks over one connection as long as nginx keeps it, and then over the next.
#[derive(Debug)]
pub struct Lasting {
    socket: PathBuf,
    connection: Option<Connection>,
    connections: usize,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> io::Result<Connection> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection(BufReader::new(stream)))
    }

    /// Asks for `path` of `host`. The answer has to tell its length.
    ///
    /// # Errors
    /// No answer came, or half of one, or none that tells its length. [`io::ErrorKind::NotConnected`] is an end before the first byte of an answer.
    pub fn get(&mut self, host: &str, path: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).map_err(ended)?;
        if self.0.fill_buf().map_err(ended)?.is_empty() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut text)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut answer = parse(&text);
        let length = match answer.status {
            204 => Some(0),
            _ => answer.field("Content-Length").and_then(|length| length.parse().ok()),
        };
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.0.read_exact(&mut body)?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }
}

/// How a connection shows that the other side has ended it: unix(7).
fn ended(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => io::ErrorKind::NotConnected.into(),
        _ => error,
    }
}

impl Lasting {
    pub(crate) fn new(socket: PathBuf) -> Lasting {
        Lasting { socket, connection: None, connections: 0 }
    }

    /// Asks for `path` of `host`. nginx may end a connection that waits for no answer at any time, and a client that has sent a request meanwhile
    /// sends it again over another (RFC 9112, section 9.3.1). Any other end is an error.
    ///
    /// # Errors
    /// A new connection ended before an answer, any ended within one, or an answer does not tell its length.
    pub fn get(&mut self, host: &str, path: &str) -> io::Result<Answer> {
        if let Some(mut kept) = self.connection.take() {
            match kept.get(host, path) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                answer => return self.keep(kept, answer?),
            }
        }
        let mut new = Connection::open(&self.socket)?;
        self.connections += 1;
        let answer = new.get(host, path)?;
        self.keep(new, answer)
    }

    fn keep(&mut self, connection: Connection, answer: Answer) -> io::Result<Answer> {
        self.connection = Some(connection).filter(|_| answer.field("Connection") != Some("close"));
        Ok(answer)
    }

    /// How many connections it has opened.
    pub fn connections(&self) -> usize {
        self.connections
    }
}

impl Answer {
    /// The value of a header field, by its name as it is written.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
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
        assert_eq!(answer.field("Server"), Some("nginx"));
        assert_eq!(parse("").status, 0);
    }
}
