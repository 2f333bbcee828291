//! Records: a key and its upstreams.

use crate::entry::MOST_UPSTREAMS;
use crate::upstream::{Upstream, UpstreamAddress};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Checksum and length.
pub(crate) const RECORD_HEAD: usize = 6;
/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGNMENT: u64 = 8;

const KIND_UNIX: u8 = 1;
const KIND_IPV4: u8 = 4;
const KIND_IPV6: u8 = 6;

/// A record of a table.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    key: &'a [u8],
    count: u8,
    upstreams: &'a [u8],
}

/// An upstream in a table, not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundUpstream<'a> {
    /// Where it listens.
    pub address: FoundAddress<'a>,
    /// Its share of the requests relative to the others.
    pub weight: NonZeroU16,
}

/// Where an upstream of a table listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundAddress<'a> {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The path of a unix socket.
    Unix(&'a str),
}

/// The upstreams of one record, in the order in which they were written. At least one.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    left: u8,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// What it is found by; see [`crate::table`].
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// Its upstreams; `None` if it hides what another table has.
    pub fn upstreams(&self) -> Option<Found<'a>> {
        (self.count > 0).then_some(Found { left: self.count, bytes: self.upstreams })
    }

    /// The record at `place`; `None` if there is none or it is garbled.
    pub(crate) fn read(file: &'a [u8], place: u64) -> Option<Record<'a>> {
        let rest = file.get(usize::try_from(place).ok()?..)?;
        let length = usize::from(u16::from_le_bytes(rest.get(4..RECORD_HEAD)?.try_into().ok()?));
        let end = RECORD_HEAD + length;
        let checksum = checksum_of(rest.get(4..end)?, place);
        if rest.get(..4)? != checksum.to_le_bytes() {
            return None;
        }
        let (key_length, rest) = rest.get(RECORD_HEAD..end)?.split_first()?;
        let (key, rest) = (rest.get(..usize::from(*key_length))?, rest.get(usize::from(*key_length)..)?);
        let (count, upstreams) = rest.split_first()?;
        Some(Record { key, count: *count, upstreams })
    }
}

impl<'a> Iterator for Found<'a> {
    type Item = FoundUpstream<'a>;

    /// Ends early where the bytes are not what a writer writes.
    fn next(&mut self) -> Option<FoundUpstream<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (upstream, rest) = read_upstream(self.bytes)?;
        self.bytes = rest;
        Some(upstream)
    }
}

fn read_upstream(bytes: &[u8]) -> Option<(FoundUpstream<'_>, &[u8])> {
    let weight = NonZeroU16::new(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?))?;
    let (kind, rest) = bytes.get(2..)?.split_first()?;
    let port = || Some(u16::from_le_bytes(rest.get(..2)?.try_into().ok()?));
    let (address, rest) = match *kind {
        KIND_IPV4 => {
            let octets: [u8; 4] = rest.get(2..6)?.try_into().ok()?;
            (FoundAddress::Ip(SocketAddr::new(IpAddr::from(octets), port()?)), rest.get(6..)?)
        }
        KIND_IPV6 => {
            let octets: [u8; 16] = rest.get(2..18)?.try_into().ok()?;
            (FoundAddress::Ip(SocketAddr::new(IpAddr::from(octets), port()?)), rest.get(18..)?)
        }
        KIND_UNIX => {
            let (length, rest) = rest.split_first()?;
            let path = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
            (FoundAddress::Unix(path), rest.get(usize::from(*length)..)?)
        }
        _ => return None,
    };
    Some((FoundUpstream { address, weight }, rest))
}

/// Appends a record, and zeroes up to where another one may begin. It lacks its checksum.
pub(crate) fn push_record(into: &mut Vec<u8>, key: &[u8], upstreams: &[Upstream]) {
    let start = into.len();
    into.extend([0; RECORD_HEAD]);
    // A key is at most as long as a host's name, of 253 bytes.
    into.push(key.len() as u8);
    into.extend(key);
    write_upstreams(into, upstreams);
    // At most 64 upstreams of 111 bytes.
    let length = (into.len() - start - RECORD_HEAD) as u16;
    into[start + 4..][..2].copy_from_slice(&length.to_le_bytes());
    into.resize(into.len().next_multiple_of(RECORD_ALIGNMENT as usize), 0);
}

/// Completes the record at the beginning of `records`, which will be at `place`; gives it with the zeroes behind it.
pub(crate) fn seal_record(records: &mut [u8], place: u64) -> &[u8] {
    let end = RECORD_HEAD + usize::from(u16::from_le_bytes([records[4], records[5]]));
    let checksum = checksum_of(&records[4..end], place);
    records[..4].copy_from_slice(&checksum.to_le_bytes());
    &records[..end.next_multiple_of(RECORD_ALIGNMENT as usize)]
}

/// Appends the count of upstreams, and these.
pub(crate) fn write_upstreams(into: &mut Vec<u8>, upstreams: &[Upstream]) {
    let upstreams = &upstreams[..upstreams.len().min(MOST_UPSTREAMS)];
    into.push(upstreams.len() as u8);
    for upstream in upstreams {
        into.extend(upstream.weight.get().to_le_bytes());
        match &upstream.address {
            UpstreamAddress::Ip(address) => {
                into.push(if address.is_ipv4() { KIND_IPV4 } else { KIND_IPV6 });
                into.extend(address.port().to_le_bytes());
                match address.ip() {
                    IpAddr::V4(ip) => into.extend(ip.octets()),
                    IpAddr::V6(ip) => into.extend(ip.octets()),
                }
            }
            UpstreamAddress::Unix(path) => {
                into.push(KIND_UNIX);
                // At most 107 bytes.
                into.push(path.len() as u8);
                into.extend(path.bytes());
            }
        }
    }
}

/// Reads what [`write_upstreams`] wrote. `None` if it is anything else; without upstreams it is none found.
pub(crate) fn read_upstreams(bytes: &[u8]) -> Option<Option<Found<'_>>> {
    let (count, upstreams) = bytes.split_first()?;
    let found = (*count > 0).then_some(Found { left: *count, bytes: upstreams });
    let is_whole = match &found {
        Some(found) => found.clone().count() == usize::from(*count),
        None => upstreams.is_empty(),
    };
    is_whole.then_some(found)
}

impl FoundUpstream<'_> {
    /// A copy that owns its parts.
    pub fn to_upstream(&self) -> Upstream {
        let address = match self.address {
            FoundAddress::Ip(address) => UpstreamAddress::Ip(address),
            FoundAddress::Unix(path) => UpstreamAddress::Unix(path.to_owned()),
        };
        Upstream { address, weight: self.weight }
    }
}

fn checksum_of(bytes: &[u8], place: u64) -> u32 {
    // Half of it is enough against accidents.
    xxh3_64_with_seed(bytes, place) as u32
}
