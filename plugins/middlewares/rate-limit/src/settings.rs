//! What the operator can set, and what of it is refused.

use crate::bucket::Limit;
use ipnet::IpNet;
use plugin_sdk::Error;
use serde::Deserialize;
use std::net::IpAddr;

/// The settings as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    rate: Option<f64>,
    burst: Option<u32>,
    pub(crate) most_clients: usize,
    pub(crate) ipv6_prefix: u8,
    exempt: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { rate: None, burst: None, most_clients: 16_384, ipv6_prefix: 64, exempt: Vec::new() }
    }
}

/// Most clients that can be asked for: 96 MiB.
const MOST_CLIENTS: usize = 4 << 20;

impl Settings {
    /// The limit; `None` if no rate is set.
    ///
    /// # Errors
    /// [`Error::invalid`] naming the setting and what is accepted; so for all of these.
    pub(crate) fn limit(&self) -> Result<Option<Limit>, Error> {
        if !(1..=MOST_CLIENTS).contains(&self.most_clients) {
            let given = self.most_clients;
            return Err(Error::invalid(format!("most-clients: {given}; write 1 to {MOST_CLIENTS}")));
        }
        if self.ipv6_prefix > 128 {
            return Err(Error::invalid(format!("ipv6-prefix: {}; write 0 to 128", self.ipv6_prefix)));
        }
        match (self.rate, self.burst) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Error::invalid(
                "burst: without a rate nothing is limited; set rate, too, or remove burst",
            )),
            (Some(rate), burst) => {
                // A second's worth.
                let burst = burst.unwrap_or_else(|| rate.ceil().clamp(1.0, 1e6) as u32);
                Limit::new(rate, burst).map(Some).map_err(Error::invalid)
            }
        }
    }

    /// The networks that are not limited.
    pub(crate) fn exempt(&self) -> Result<Vec<IpNet>, Error> {
        self.exempt.iter().map(|network| parse_network(network)).collect()
    }
}

fn parse_network(text: &str) -> Result<IpNet, Error> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| {
        Error::invalid(format!(
            "exempt: `{text}` is no network; write it as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"
        ))
    })?;
    if network.trunc() != network {
        let meant = network.trunc();
        return Err(Error::invalid(format!("exempt: `{text}` has bits beyond its prefix; write {meant}")));
    }
    Ok(network)
}
