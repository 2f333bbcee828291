//! The content codings that are offered.

use crate::gzip::Gzip;
use std::io;

/// A content coding (<https://www.iana.org/assignments/http-parameters>, content coding registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878, with the window of RFC 9659.
    Zstd,
}

/// Both encoders, each at its level.
#[derive(Debug)]
pub(crate) struct Encoders {
    gzip: Gzip,
    zstd_level: i32,
}

/// What gzip can do.
pub(crate) const GZIP_LEVELS: std::ops::RangeInclusive<u32> = 1..=9;
/// Above 19 windows grow beyond the 8 MiB that clients must be able to hold (RFC 9659, section 3).
pub(crate) const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

impl Coding {
    /// Both, the better one first.
    pub(crate) const ALL: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

    /// The name in header fields and settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }
}

impl Encoders {
    /// The levels are within [`GZIP_LEVELS`] and [`ZSTD_LEVELS`].
    pub(crate) fn new(gzip_level: u32, zstd_level: i32) -> Encoders {
        Encoders { gzip: Gzip::new(gzip_level), zstd_level }
    }

    /// The body in that coding.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn encode(&self, coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
        match coding {
            Coding::Gzip => self.gzip.encode(body),
            Coding::Zstd => zstd::bulk::compress(body, self.zstd_level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn decoded(coding: Coding, encoded: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(encoded).read_to_end(&mut body).unwrap(),
            Coding::Zstd => zstd::Decoder::new(encoded).unwrap().read_to_end(&mut body).unwrap(),
        };
        body
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_encoded_is_read_back(
            piece in prop::collection::vec(any::<u8>(), 0..300),
            times in 0_usize..50,
            gzip in GZIP_LEVELS,
            zstd in ZSTD_LEVELS,
        ) {
            let body = piece.repeat(times);
            for coding in Coding::ALL {
                let encoded = Encoders::new(gzip, zstd).encode(coding, &body).unwrap();
                prop_assert_eq!(decoded(coding, &encoded), &body[..]);
            }
        }
    }

    /// The frame header says how much memory a client needs: RFC 8878, section 3.1.1.1.
    #[test]
    fn windows_stay_within_what_clients_hold() {
        let body = vec![0; 20 << 20];
        let window = |level| {
            let frame = Encoders::new(1, level).encode(Coding::Zstd, &body).unwrap();
            assert_eq!(frame[4] & 0x20, 0, "the window is not the whole body");
            1_u64 << (10 + (frame[5] >> 3))
        };
        assert_eq!(window(*ZSTD_LEVELS.end()), 8 << 20);
        assert!(ZSTD_LEVELS.step_by(6).all(|level| window(level) <= 8 << 20));
    }
}
