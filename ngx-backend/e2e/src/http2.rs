//! The least of an HTTP/2 client: one connection, one request a stream, all sent before any answer is read (RFC 9113, RFC 7541).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::client::PATIENCE;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What a stream came to: the status (0 if it was reset, or if it is none of those below) and the content.
pub type Streamed = (u16, String);

/// Asks for `path` of each host, each on a stream of its own, and gives the answers in that order.
pub(crate) fn exchange(socket: &Path, path: &str, hosts: &[&str]) -> io::Result<Vec<Streamed>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let ids: Vec<u32> = (0..hosts.len()).filter_map(|index| u32::try_from(2 * index + 1).ok()).collect();
    for (host, id) in hosts.iter().zip(&ids) {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, *id, &header_block(path, host)));
    }
    stream.write_all(&bytes)?;
    let mut answers: BTreeMap<u32, Streamed> = BTreeMap::new();
    let mut open = ids.len();
    while open > 0 {
        let (kind, flags, id, content) = read_frame(&mut stream)?;
        let answer = answers.entry(id).or_default();
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            HEADERS => answer.0 = status(&content),
            DATA => answer.1.push_str(&String::from_utf8_lossy(&content)),
            _ => {}
        }
        if kind == RST_STREAM || ([HEADERS, DATA].contains(&kind) && flags & END_STREAM != 0) {
            open -= 1;
        }
    }
    Ok(ids.iter().map(|id| answers.remove(id).unwrap_or_default()).collect())
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(content);
    bytes
}

fn read_frame(stream: &mut UnixStream) -> io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [a, b, c, kind, flags, w, x, y, z] = head;
    let mut content = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut content)?;
    Ok((kind, flags, u32::from_be_bytes([w, x, y, z]), content))
}

/// `GET path` of `host` by fields of the static table, with texts of less than 127 bytes as they are.
fn header_block(path: &str, host: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = vec![u8::try_from(text.len()).ok().filter(|&length| length < 127).unwrap_or(0)];
        bytes.extend(text.as_bytes());
        bytes
    };
    // `:method: GET` and `:scheme: http`, then `:path` and `:authority` with a literal each.
    let mut block = vec![0x82, 0x86, 0x04];
    block.extend(text(path));
    block.push(0x01);
    block.extend(text(host));
    block
}

/// The status, which nginx writes first: those of the static table (RFC 7541, appendix A) as one byte, others as three digits.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [0x08 | 0x48, 3, digits @ ..] => {
            digits.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}
