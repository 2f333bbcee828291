//! What a resolver and the daemon say to each other over a unix socket.
//!
//! Both begin with [`GREETING`]; the daemon closes the connection if it does not know the client's. Then the client asks any number of questions
//! without waiting, and each is answered once, in any order.
//!
//! | Message | Content, numbers little-endian |
//! | --- | --- |
//! | question | `u32` number, `u8` length of the host, host |
//! | answer | `u32` number, `u8` 0 found, 1 not known, 2 failed, `u16` length of what follows; upstreams as in a [table](crate::table), nothing, or a text |

use crate::entry::Upstreams;
use crate::host::Host;
use crate::table::{read_upstreams, write_upstreams};
use crate::upstream::Upstream;

/// The first bytes in both directions.
pub const GREETING: [u8; 8] = *b"DYNBQRY\x01";

const FOUND: u8 = 0;
const NOT_KNOWN: u8 = 1;
const FAILED: u8 = 2;

/// Head of a question.
const QUESTION_HEAD: usize = 5;
/// Head of an answer.
const ANSWER_HEAD: usize = 7;
/// A failure's text is cut there.
const LONGEST_TEXT: usize = 1024;

/// What the daemon says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These serve it.
    Found(Upstreams),
    /// There is no entry for it.
    NotKnown,
    /// It could not be told; why.
    Failed(String),
}

/// A message that nobody sends who keeps to the protocol; nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side does not keep to the protocol: {0}")]
pub struct Garbled(pub &'static str);

/// Appends a question.
pub fn write_question(into: &mut Vec<u8>, number: u32, host: &Host) {
    into.extend(number.to_le_bytes());
    // A host has at most 253 bytes.
    into.push(host.as_bytes().len() as u8);
    into.extend(host.as_bytes());
}

/// The first question in `bytes` and its length; `None` if it is not there whole.
///
/// # Errors
/// If its host is none.
pub fn read_question(bytes: &[u8]) -> Result<Option<(u32, Host, usize)>, Garbled> {
    let Some((number, rest)) = take_number(bytes) else { return Ok(None) };
    let Some((length, rest)) = rest.split_first() else { return Ok(None) };
    let Some(host) = rest.get(..usize::from(*length)) else { return Ok(None) };
    let host = Host::parse(host).map_err(|_| Garbled("a question is for no host"))?;
    Ok(Some((number, host, QUESTION_HEAD + usize::from(*length))))
}

/// Appends an answer.
pub fn write_answer(into: &mut Vec<u8>, number: u32, answer: &Answer) {
    into.extend(number.to_le_bytes());
    let head = into.len();
    into.extend([0; 3]);
    into[head] = match answer {
        Answer::Found(upstreams) => {
            encode_upstreams(into, upstreams);
            FOUND
        }
        Answer::NotKnown => NOT_KNOWN,
        Answer::Failed(reason) => {
            let cut = (0..=reason.len().min(LONGEST_TEXT)).rev().find(|at| reason.is_char_boundary(*at));
            into.extend(reason.get(..cut.unwrap_or(0)).unwrap_or_default().bytes());
            FAILED
        }
    };
    // 64 upstreams of 111 bytes at most.
    let length = (into.len() - head - 3) as u16;
    into[head + 1..][..2].copy_from_slice(&length.to_le_bytes());
}

/// The first answer in `bytes` and its length; `None` if it is not there whole.
///
/// # Errors
/// If it is none.
pub fn read_answer(bytes: &[u8]) -> Result<Option<(u32, Answer, usize)>, Garbled> {
    let Some((number, rest)) = take_number(bytes) else { return Ok(None) };
    let (Some(kind), Some(length)) = (rest.first(), rest.get(1..3)) else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    let Some(content) = rest.get(3..3 + length) else { return Ok(None) };
    let answer = match *kind {
        FOUND => Answer::Found(decode_upstreams(content).ok_or(Garbled("upstreams that are none"))?),
        NOT_KNOWN => Answer::NotKnown,
        FAILED => Answer::Failed(String::from_utf8_lossy(content).into_owned()),
        _ => return Err(Garbled("an answer of an unknown kind")),
    };
    Ok(Some((number, answer, ANSWER_HEAD + length)))
}

/// Appends upstreams as a table has them, for whoever keeps them elsewhere.
pub fn encode_upstreams(into: &mut Vec<u8>, upstreams: &Upstreams) {
    write_upstreams(into, upstreams);
}

/// What [`encode_upstreams`] wrote; `None` if it is anything else.
pub fn decode_upstreams(content: &[u8]) -> Option<Upstreams> {
    let upstreams: Vec<Upstream> = read_upstreams(content)??.map(|upstream| upstream.to_upstream()).collect();
    Upstreams::new(upstreams).ok()
}

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let number = bytes.get(..4)?;
    Some((u32::from_le_bytes([number[0], number[1], number[2], number[3]]), bytes.get(4..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_from_its_first_whole_byte_on() {
        let host = Host::parse(b"a.example").unwrap();
        let mut question = Vec::new();
        write_question(&mut question, 7, &host);
        for cut in 0..question.len() {
            assert_eq!(read_question(&question[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(read_question(&question), Ok(Some((7, host, question.len()))));
        let upstream = |address: &str| Upstream {
            address: address.parse().unwrap(),
            weight: std::num::NonZeroU16::new(3).unwrap(),
        };
        let found =
            Upstreams::new(vec![upstream("192.0.2.1:1"), upstream("[2001:db8::1]:2"), upstream("unix:/s")]);
        for answer in [Answer::Found(found.unwrap()), Answer::NotKnown, Answer::Failed("é".repeat(9))] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, u32::MAX, &answer);
            for cut in 0..bytes.len() {
                assert_eq!(read_answer(&bytes[..cut]), Ok(None), "{cut}");
            }
            bytes.push(0);
            assert_eq!(read_answer(&bytes), Ok(Some((u32::MAX, answer, bytes.len() - 1))));
        }
        let mut long = Vec::new();
        write_answer(&mut long, 1, &Answer::Failed("é".repeat(4_000)));
        assert_eq!(long.len(), ANSWER_HEAD + LONGEST_TEXT);
    }

    #[test]
    fn what_nobody_writes_is_refused() {
        assert!(read_question(b"\0\0\0\0\x01/").is_err());
        assert!(read_answer(b"\0\0\0\0\x09\0\0").is_err());
        assert!(read_answer(b"\0\0\0\0\x00\0\0").is_err());
        assert!(read_answer(b"\0\0\0\0\x00\x01\0\0").is_err());
    }
}
