//! A client of HTTP that shows every byte: one request a connection, over a unix socket or TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) enum Client {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Client {
    /// One request with a body of known length. HTTP/1.0, so that the answer's body ends with the connection.
    pub(crate) fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, target, fields, body).unwrap()
    }

    /// The same where the daemon may end meanwhile.
    pub(crate) fn try_send(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.0\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        self.exchange(&[head.as_bytes(), b"\r\n", body].concat())
    }

    /// Sends these bytes and reads until the daemon closes the connection.
    pub(crate) fn exchange(&self, request: &[u8]) -> std::io::Result<Answer> {
        let mut stream: Box<dyn Stream> = match self {
            Client::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                Box::new(stream)
            }
            Client::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                Box::new(stream)
            }
        };
        stream.write_all(request)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
        Ok(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The sentence of a refusal, which is all that its body holds.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json.as_object().map(|fields| fields.len()), Some(1), "{self:?}");
        json["error"].as_str().unwrap().to_owned()
    }
}
