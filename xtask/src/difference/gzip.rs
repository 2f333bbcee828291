//! Compressed files: their header, and what was compressed. Source: RFC 1952.

use std::io::Read;

use super::{Cause, Difference, Pair, Trace, bytes, first_differing, look};

/// ID1 and ID2, and the only method there is.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Where MTIME is.
const TIME: std::ops::Range<usize> = 4..8;
/// More is not unpacked.
const LIMIT: u64 = 1 << 30;

/// The difference of two compressed files; `None` if one is damaged or too large.
pub(super) fn difference(pair: Pair<'_>) -> Option<Difference> {
    let (one, other) = (pair.first.get(TIME)?, pair.second.get(TIME)?);
    let mut found = Vec::new();
    if one != other {
        let seconds = |field: &[u8]| {
            field.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)).to_string()
        };
        let cause = Cause::new(Trace::Time, "the time in the header (gzip --no-name writes none)");
        found.push(Difference::at(
            "MTIME of the gzip header".to_owned(),
            seconds(one),
            seconds(other),
            Some(cause),
        ));
    }
    let (first, second) = (unpacked(pair.first)?, unpacked(pair.second)?);
    if first != second {
        let within = look(Pair { first: &first, second: &second, ..pair });
        found.push(within.within("unpacked".to_owned()));
    } else if found.is_empty() {
        let at = first_differing(pair.first, pair.second);
        let mut within = bytes(pair, at, format!("byte {at}"));
        within.cause = Some(Cause::new(Trace::Compression, "the same content, compressed in another way"));
        found.push(within);
    }
    Difference::choose(found)
}

fn unpacked(file: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(file).take(LIMIT + 1).read_to_end(&mut content).ok()?;
    (read as u64 <= LIMIT).then_some(content)
}
