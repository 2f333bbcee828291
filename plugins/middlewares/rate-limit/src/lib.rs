//! Middleware that limits how often each client may ask: a token bucket for each address.
#![forbid(unsafe_code)]

mod bucket;
mod clients;
mod settings;

use bucket::Limit;
use clients::Clients;
use ipnet::IpNet;
use plugin_sdk::{Error, Flow, Level, Middleware, Plugin, Request, RequestEdit, Response, Setup};
use settings::Settings;
use std::net::IpAddr;
use std::time::Instant;

struct RateLimit {
    /// `None`: nothing is limited.
    limited: Option<Limited>,
}

struct Limited {
    limit: Limit,
    clients: Clients,
    ipv6_prefix: u8,
    exempt: Vec<IpNet>,
    started: Instant,
}

impl Plugin for RateLimit {
    fn create(setup: &Setup<'_>) -> Result<RateLimit, Error> {
        let settings: Settings = plugin_settings::read(setup)?;
        let (limit, exempt) = (settings.limit()?, settings.exempt()?);
        let Some(limit) = limit else {
            setup.log().log(Level::Warn, format_args!("no rate is set: nothing is limited"));
            return Ok(RateLimit { limited: None });
        };
        let (most, bytes) = (settings.most_clients, settings.most_clients * clients::PLACE_BYTES);
        setup.log().log(Level::Info, format_args!("room for {most} clients in {} KiB", bytes.div_ceil(1024)));
        Ok(RateLimit {
            limited: Some(Limited {
                limit,
                clients: Clients::new(most),
                ipv6_prefix: settings.ipv6_prefix,
                exempt,
                started: Instant::now(),
            }),
        })
    }
}

impl Middleware for RateLimit {
    type State = ();

    fn before(
        &self,
        request: &Request<'_>,
        _edit: &mut RequestEdit<'_>,
        response: &mut Response<'_>,
    ) -> Result<Flow<()>, Error> {
        let (Some(limited), Some(ip)) = (&self.limited, request.peer_ip()) else {
            return Ok(Flow::Continue(()));
        };
        match limited.take(as_it_was_sent(ip)) {
            Ok(()) => Ok(Flow::Continue(())),
            Err(wait) => {
                response.set_status(429)?;
                response.add_header("retry-after", whole_seconds(wait).to_string())?;
                response.send("text/plain; charset=utf-8", b"Too many requests\n")?;
                Ok(Flow::Answered)
            }
        }
    }
}

impl Limited {
    /// Lets the address ask once more, or says in how many nanoseconds it may.
    fn take(&self, ip: IpAddr) -> Result<(), u64> {
        if self.exempt.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        // Nanoseconds in 64 bits last for 584 years; never 0, which means long ago.
        let now = self.started.elapsed().as_nanos().min(u128::from(u64::MAX / 2)) as u64 + 1;
        self.clients.take(&self.limit, clients::client(ip, self.ipv6_prefix), now)
    }
}

/// IPv4 clients of a socket that listens on IPv6 come as `::ffff:192.0.2.1`, all from one network.
fn as_it_was_sent(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(mapped) => mapped.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Rounded up: a client that comes back a moment too early would be refused again.
fn whole_seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000_000)
}

plugin_sdk::export_plugin! { name: "rate-limit", middleware: RateLimit }

#[cfg(test)]
mod tests {
    use super::whole_seconds;

    #[test]
    fn waiting_is_told_in_whole_seconds_that_suffice() {
        let cases = [(1, 1), (999_999_999, 1), (1_000_000_000, 1), (1_000_000_001, 2), (90_500_000_000, 91)];
        for (nanoseconds, seconds) in cases {
            assert_eq!(whole_seconds(nanoseconds), seconds);
        }
    }
}
