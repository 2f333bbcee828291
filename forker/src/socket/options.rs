//! What a socket is to be like, beside its address.

use std::time::Duration;

use super::{Address, Kind, SocketError};

/// Options of a listening socket. One that makes no sense for an address is an error when the socket is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Connections that may wait to be accepted; the kernel takes `net.core.somaxconn` where that is less. Without meaning for UDP, where it
    /// is left alone. 4096 by default, as the kernel's own.
    pub backlog: u32,
    /// Only IPv6 at an IPv6 address. Otherwise `[::]` takes IPv4, too, whatever `net.ipv6.bindv6only` says. IPv6 only.
    pub v6_only: bool,
    /// A worker sees a connection once its first data is there, or when this has passed: `TCP_DEFER_ACCEPT` (tcp(7)). In whole
    /// seconds, rounded up; the kernel rounds up further, to one of its retransmissions. TCP only.
    pub defer_accept: Option<Duration>,
    /// Data may come with the first packet of a connection: `TCP_FASTOPEN` (tcp(7), RFC 7413), with at most so many connections pending.
    /// Needs bit 2 of `net.ipv4.tcp_fastopen`. Such data may be delivered twice. TCP only.
    pub fast_open: Option<u32>,
    /// Mode of the socket's file, less the umask; without it, 0o777 less the umask as everywhere. Unix sockets with a file only.
    pub unix_mode: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { backlog: 4096, v6_only: false, defer_accept: None, fast_open: None, unix_mode: None }
    }
}

impl SocketOptions {
    /// What would be set on a socket at `address` makes sense there.
    ///
    /// # Errors
    /// [`SocketError::Option`] with the first that does not.
    pub(super) fn check(&self, address: &Address) -> Result<(), SocketError> {
        match self.misplaced(address).next() {
            Some((option, belongs_to)) => {
                Err(SocketError::Option { option, belongs_to, address: address.clone() })
            }
            None => Ok(()),
        }
    }

    /// Each option makes sense for one of the addresses at least.
    ///
    /// # Errors
    /// [`SocketError::Option`] with the first that does not.
    pub(super) fn check_any(&self, addresses: &[Address]) -> Result<(), SocketError> {
        let Some((first, others)) = addresses.split_first() else {
            return Ok(());
        };
        let everywhere =
            |option| others.iter().all(|other| self.misplaced(other).any(|(one, _)| one == option));
        match self.misplaced(first).find(|(option, _)| everywhere(*option)) {
            Some((option, belongs_to)) => {
                Err(SocketError::Option { option, belongs_to, address: first.clone() })
            }
            None => Ok(()),
        }
    }

    /// These options without those that make no sense for `address`.
    pub(super) fn fitting(&self, address: &Address) -> Self {
        let mut fitting = self.clone();
        for (option, _) in self.misplaced(address) {
            match option {
                "v6_only" => fitting.v6_only = false,
                "defer_accept" => fitting.defer_accept = None,
                "fast_open" => fitting.fast_open = None,
                _ => fitting.unix_mode = None,
            }
        }
        fitting
    }

    /// Options that are set and make no sense for `address`, and where they do.
    fn misplaced(&self, address: &Address) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let is_tcp = address.kind() == Kind::Tcp;
        let is_v6 = matches!(address, Address::Tcp(ip) | Address::Udp(ip) if ip.is_ipv6());
        [
            ("v6_only", "IPv6 addresses", self.v6_only && !is_v6),
            ("defer_accept", "TCP", self.defer_accept.is_some() && !is_tcp),
            ("fast_open", "TCP", self.fast_open.is_some() && !is_tcp),
            ("unix_mode", "unix sockets with a file", self.unix_mode.is_some() && address.file().is_none()),
        ]
        .into_iter()
        .filter(|(_, _, is_wrong)| *is_wrong)
        .map(|(option, belongs_to, _)| (option, belongs_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_makes_no_sense_is_refused() {
        let base = SocketOptions::default;
        let v6_only = SocketOptions { v6_only: true, ..base() };
        let defer_accept = SocketOptions { defer_accept: Some(Duration::from_secs(1)), ..base() };
        let fast_open = SocketOptions { fast_open: Some(16), ..base() };
        let unix_mode = SocketOptions { unix_mode: Some(0o600), ..base() };
        let addresses = ["1.2.3.4:5", "[::]:5", "udp://1.2.3.4:5", "udp://[::]:5", "unix:/x", "unix:@x"];
        for (options, good) in [
            (base(), [true; 6]),
            (v6_only, [false, true, false, true, false, false]),
            (defer_accept, [true, true, false, false, false, false]),
            (fast_open, [true, true, false, false, false, false]),
            (unix_mode, [false, false, false, false, true, false]),
        ] {
            for (address, good) in addresses.into_iter().zip(good) {
                let checked = options.check(&address.parse().unwrap());
                assert_eq!(checked.is_ok(), good, "{address}: {options:?}: {checked:?}");
                options.fitting(&address.parse().unwrap()).check(&address.parse().unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn of_several_addresses_one_has_to_take_an_option() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Address>>();
        let options = SocketOptions { v6_only: true, fast_open: Some(1), ..SocketOptions::default() };
        options.check_any(&parse(&["0.0.0.0:80", "[::]:80", "unix:/x"])).unwrap();
        let error = options.check_any(&parse(&["0.0.0.0:80", "unix:/x"])).unwrap_err().to_string();
        assert!(error.contains("v6_only"), "{error}");
        let error = options.check_any(&parse(&["udp://[::]:80", "unix:/x"])).unwrap_err().to_string();
        assert!(error.contains("fast_open"), "{error}");
        let fitting = options.fitting(&"1.2.3.4:5".parse().unwrap());
        assert_eq!((fitting.v6_only, fitting.fast_open), (false, Some(1)));
    }
}
