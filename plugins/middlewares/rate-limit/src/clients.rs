//! The buckets of all clients, in memory that is taken once and never grows.

use crate::bucket::Limit;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// A table of places in groups, as in the caches of processors. A client belongs to one group, which one only this process
/// knows, and has any place in it.
///
/// A bucket that is full again says nothing, so its place is free; there is nothing to sweep. When a newcomer finds no
/// free place in his group, the client whose bucket is the fullest is forgotten, and so is treated as new
/// if he comes back: that costs the limit least, and those who have taken most are forgotten last.
#[derive(Debug)]
pub(crate) struct Clients {
    groups: Vec<Mutex<Group>>,
    keys: RandomState,
}

/// Places in a group: enough that a table is well filled before a group overflows, few enough to look at all.
const PLACES: usize = 16;
/// Bytes a client takes.
pub(crate) const PLACE_BYTES: usize = mem::size_of::<Place>();

type Group = [Place; PLACES];

#[derive(Debug, Clone, Copy)]
struct Place {
    client: Client,
    /// When its bucket is full; a free place if that is past.
    full_at: u64,
}

/// Whom a bucket belongs to: an IPv4 address, or the network of an IPv6 address.
pub(crate) type Client = [u8; 16];

/// The client at an address. Of IPv6 the first `prefix` bits count: the rest one host can choose as it likes.
pub(crate) fn client(ip: IpAddr, prefix: u8) -> Client {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => {
            let host_bits = 128 - u32::from(prefix.min(128));
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            (u128::from(ip) & mask).to_be_bytes()
        }
    }
}

impl Clients {
    /// Room for `most` clients, rounded up to whole groups.
    pub(crate) fn new(most: usize) -> Clients {
        let free = Place { client: [0; 16], full_at: 0 };
        let groups = most.div_ceil(PLACES).max(1);
        Clients {
            groups: (0..groups).map(|_| Mutex::new([free; PLACES])).collect(),
            keys: RandomState::new(),
        }
    }

    /// Takes a token from the client's bucket, or says in how many nanoseconds there will be one. `now` must not be 0.
    pub(crate) fn take(&self, limit: &Limit, client: Client, now: u64) -> Result<(), u64> {
        // Nothing under the lock can panic half-way, so a poisoned one is as good as any.
        let mut group = self.group(client).lock().unwrap_or_else(PoisonError::into_inner);
        let place = match group.iter().position(|place| place.client == client) {
            Some(known) => &mut group[known],
            None => {
                let place = fullest(&mut group);
                *place = Place { client, full_at: now };
                place
            }
        };
        limit.take(&mut place.full_at, now)
    }

    fn group(&self, client: Client) -> &Mutex<Group> {
        let mut hasher = self.keys.build_hasher();
        hasher.write(&client);
        &self.groups[(hasher.finish() % self.groups.len() as u64) as usize]
    }
}

fn fullest(group: &mut Group) -> &mut Place {
    let (first, rest) = group.split_first_mut().expect("a group has places");
    rest.iter_mut().fold(first, |best, place| if place.full_at < best.full_at { place } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn numbered(number: u32) -> Client {
        client(IpAddr::from(number.to_be_bytes()), 64)
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let (clients, limit) = (Clients::new(1_000), Limit::new(1.0, 2).unwrap());
        for number in 0..100 {
            let outcomes: Vec<_> = (0..3).map(|_| clients.take(&limit, numbered(number), SECOND)).collect();
            assert_eq!(outcomes, [Ok(()), Ok(()), Err(SECOND)]);
        }
        assert_eq!(clients.take(&limit, numbered(7), 2 * SECOND), Ok(()));
        assert_eq!(clients.take(&limit, numbered(7), 2 * SECOND), Err(SECOND));
    }

    /// One group, so that what happens beyond the bound happens for certain.
    #[test]
    fn beyond_the_bound_the_fullest_bucket_is_forgotten() {
        let (clients, limit) = (Clients::new(PLACES), Limit::new(1.0, 3).unwrap());
        // Client 0 takes three tokens, client 1 takes two, the others one each.
        for number in [0, 0, 0, 1, 1].into_iter().chain(2..PLACES as u32) {
            clients.take(&limit, numbered(number), SECOND).unwrap();
        }
        for stranger in 1_000..11_000 {
            assert_eq!(clients.take(&limit, numbered(stranger), SECOND), Ok(()), "{stranger}");
        }
        assert_eq!(clients.take(&limit, numbered(0), SECOND), Err(SECOND), "0 was forgotten");
        assert_eq!(clients.take(&limit, numbered(1), SECOND), Ok(()));
        assert_eq!(clients.take(&limit, numbered(1), SECOND), Err(SECOND), "1 was forgotten");
        assert_eq!(clients.groups.len(), 1);
    }

    #[test]
    fn a_full_bucket_leaves_its_place() {
        let (clients, limit) = (Clients::new(PLACES), Limit::new(1.0, 2).unwrap());
        for number in 0..PLACES as u32 {
            clients.take(&limit, numbered(number), SECOND).unwrap();
        }
        clients.take(&limit, numbered(0), SECOND).unwrap();
        // All but the first are full again, so there is room for as many newcomers, who stay.
        for number in 100..100 + PLACES as u32 - 1 {
            clients.take(&limit, numbered(number), 2 * SECOND).unwrap();
            clients.take(&limit, numbered(number), 2 * SECOND).unwrap();
        }
        for number in 100..100 + PLACES as u32 - 1 {
            assert_eq!(clients.take(&limit, numbered(number), 2 * SECOND), Err(SECOND), "{number}");
        }
    }

    #[test]
    fn room_is_rounded_up_and_never_zero() {
        for (most, groups) in [(0, 1), (1, 1), (16, 1), (17, 2), (16_384, 1_024)] {
            assert_eq!(Clients::new(most).groups.len(), groups);
        }
        assert_eq!(PLACE_BYTES, 24);
    }

    #[test]
    fn threads_share_a_bucket() {
        let (clients, limit) = (Clients::new(100), Limit::new(1.0, 1_000).unwrap());
        let taken = || (0..1_000).filter(|_| clients.take(&limit, numbered(1), SECOND).is_ok()).count();
        let sum: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(taken)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(sum, 1_000);
    }

    #[test]
    fn ipv6_addresses_count_by_network() {
        let of = |text: &str, prefix| client(text.parse().unwrap(), prefix);
        assert_eq!(of("2001:db8::1", 64), of("2001:db8::ffff:1", 64));
        assert_ne!(of("2001:db8::1", 64), of("2001:db8:0:1::1", 64));
        assert_eq!(of("2001:db8::1", 48), of("2001:db8:0:1::1", 48));
        assert_ne!(of("2001:db8::1", 128), of("2001:db8::2", 128));
        assert_eq!(of("2001:db8::1", 0), of("::", 0));
        assert_ne!(of("192.0.2.1", 64), of("192.0.2.2", 64));
    }
}
