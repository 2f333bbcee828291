//! Asks a server once and compares its answer with the right one.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::http;
use crate::order::Ask;

/// How an answer was.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As it should be.
    Right,
    /// Nobody listens yet.
    NotThere,
    /// Anything else, in words.
    Wrong(String),
}

/// Asks on a connection of its own; waits at most `patience` for each part of the answer.
pub(crate) fn ask(ask: &Ask, patience: Duration) -> Answer {
    match converse(ask, patience) {
        Ok(bytes) => compare(ask, &bytes),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::NotThere,
        Err(error) => Answer::Wrong(format!("cannot ask {}{}: {error}", ask.address, ask.path)),
    }
}

fn converse(ask: &Ask, patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&ask.address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&http::request(ask))?;
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = stream.read(&mut part)?;
        bytes.extend_from_slice(&part[..length]);
        match http::head(&bytes).map_err(io::Error::other)? {
            Some(head) if bytes.len() >= head.total => return Ok(bytes),
            _ if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

fn compare(ask: &Ask, bytes: &[u8]) -> Answer {
    let Ok(Some(head)) = http::head(bytes) else { return Answer::Wrong("half an answer".to_owned()) };
    let body = String::from_utf8_lossy(&bytes[head.length..]);
    if head.status == 200 && head.content_type.starts_with(&ask.content_type) && body == ask.body {
        return Answer::Right;
    }
    Answer::Wrong(format!(
        "{} is answered {} {} {body:?}, and 200 {} {:?} is right",
        ask.path, head.status, head.content_type, ask.content_type, ask.body
    ))
}
