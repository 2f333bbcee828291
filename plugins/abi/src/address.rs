//! Network addresses: peers and upstreams.

use core::fmt;

/// A network address. The layout is final.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// One of the `FAMILY_` constants; decides which of the other fields mean something.
    pub family: u16,
    /// Port in host byte order, 0 where there is none.
    pub port: u16,
    /// Scope of a link-local IPv6 address (`sin6_scope_id`), otherwise 0.
    pub scope: u32,
    /// The address in network byte order: IPv6 uses all bytes, IPv4 the first four, the rest is zero.
    pub bytes: [u8; 16],
}

/// Address family: not known.
pub const FAMILY_UNKNOWN: u16 = 0;
/// Address family: a unix socket. For an upstream, its name is the socket's path.
pub const FAMILY_UNIX: u16 = 1;
/// Address family: IPv4.
pub const FAMILY_IPV4: u16 = 4;
/// Address family: IPv6.
pub const FAMILY_IPV6: u16 = 6;

impl Address {
    /// An address that is not known.
    pub const UNKNOWN: Address = Address { family: FAMILY_UNKNOWN, port: 0, scope: 0, bytes: [0; 16] };

    /// An IPv4 address.
    pub const fn v4(octets: [u8; 4], port: u16) -> Address {
        let [a, b, c, d] = octets;
        Address {
            family: FAMILY_IPV4,
            port,
            scope: 0,
            bytes: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        }
    }

    /// An IPv6 address.
    pub const fn v6(octets: [u8; 16], port: u16, scope: u32) -> Address {
        Address { family: FAMILY_IPV6, port, scope, bytes: octets }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.bytes;
        match self.family {
            FAMILY_IPV4 => write!(f, "{a}.{b}.{c}.{d}:{}", self.port),
            FAMILY_IPV6 => write!(f, "ipv6 {:02x?} port {} scope {}", self.bytes, self.port, self.scope),
            FAMILY_UNIX => f.write_str("unix"),
            other => write!(f, "address family {other}"),
        }
    }
}
