//! gzip: a deflated body in a frame of ten bytes before and eight behind (RFC 1952, section 2.3).

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{self, Write};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Encodes with compressors that it keeps: one has 300 KiB, and to get and clear these anew takes longer than a short body.
#[derive(Debug)]
pub(crate) struct Gzip {
    level: Compression,
    idle: Mutex<Vec<DeflateEncoder<Vec<u8>>>>,
}

/// Most compressors that are kept for another body.
const MOST_IDLE: usize = 16;

/// Deflated, no flags, no time, nothing said of level and system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

impl Gzip {
    pub(crate) fn new(level: u32) -> Gzip {
        Gzip { level: Compression::new(level), idle: Mutex::default() }
    }

    /// The same body always gives the same bytes.
    pub(crate) fn encode(&self, body: &[u8]) -> io::Result<Vec<u8>> {
        // A third is what texts come down to; it grows if need be.
        let mut room = Vec::with_capacity(body.len() / 3 + 64);
        room.extend_from_slice(&HEADER);
        let idle = self.idle().pop();
        let mut encoder = idle.unwrap_or_else(|| DeflateEncoder::new(Vec::new(), self.level));
        mem::swap(encoder.get_mut(), &mut room);
        encoder.write_all(body)?;
        let mut encoded = encoder.reset(Vec::new())?;
        let mut crc = Crc::new();
        crc.update(body);
        encoded.extend_from_slice(&crc.sum().to_le_bytes());
        encoded.extend_from_slice(&crc.amount().to_le_bytes());
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(encoder);
        }
        Ok(encoded)
    }

    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn idle(&self) -> MutexGuard<'_, Vec<DeflateEncoder<Vec<u8>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressor_that_was_used_before_is_as_good_as_a_new_one() {
        let bodies =
            [vec![b'a'; 100_000], b"short".to_vec(), Vec::new(), (0..=255).cycle().take(70_000).collect()];
        let kept = Gzip::new(6);
        for body in bodies.iter().chain(&bodies) {
            assert_eq!(kept.encode(body).unwrap(), Gzip::new(6).encode(body).unwrap());
            assert_eq!(kept.idle().len(), 1);
        }
    }

    #[test]
    fn no_more_are_kept_than_were_needed_at_once_nor_than_the_bound() {
        let gzip = Gzip::new(1);
        std::thread::scope(|scope| {
            for _ in 0..4 * MOST_IDLE {
                scope.spawn(|| gzip.encode(&[b'x'; 10_000]).unwrap());
            }
        });
        assert!((1..=MOST_IDLE).contains(&gzip.idle().len()));
    }
}
