//! Resolver that looks hosts up in the table that the backend daemon publishes: a read of shared memory, no system call and no lock, but for one
//! look at the folder each second.
#![forbid(unsafe_code)]

use backend_map::table::{FoundAddress, FoundUpstream};
use backend_map::{Event, Reader};
use plugin_sdk::abi::address::FAMILY_UNIX;
use plugin_sdk::{Address, Error, Level, Logger, Plugin, Query, Resolution, Resolver, Setup, Upstream};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The operator's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The folder that the daemon publishes to.
    path: PathBuf,
}

struct Snapshot {
    reader: Reader,
}

impl Plugin for Snapshot {
    /// Succeeds without a table, too: the daemon may start later.
    fn create(setup: &Setup<'_>) -> Result<Snapshot, Error> {
        let settings: Settings = plugin_settings::read(setup)?;
        if !settings.path.is_absolute() {
            return Err(Error::invalid(format!(
                "path: `{}`; write the absolute path of the folder that the daemon publishes to (--publish)",
                settings.path.display()
            )));
        }
        let log = setup.log();
        Ok(Snapshot { reader: Reader::new(&settings.path, move |event| tell(&log, event)) })
    }

    fn health(&self) -> Result<(), Error> {
        self.reader.health().map_err(Error::unavailable)
    }
}

impl Resolver for Snapshot {
    /// What becomes of an upstream is nginx's business.
    const HEARS: bool = false;

    fn resolve(&self, host: &str, query: &mut Query<'_>) -> Result<Resolution, Error> {
        let found = self.reader.find_text(host.as_bytes(), |found| match found {
            None => Ok(Resolution::NotFound),
            Some(mut upstreams) => {
                upstreams.try_for_each(|upstream| query.add(&lend(&upstream)))?;
                Ok(Resolution::Found)
            }
        });
        found.map_err(|error| Error::unavailable(error.to_string()))?
    }
}

fn lend<'a>(found: &FoundUpstream<'a>) -> Upstream<'a> {
    let (address, name) = match found.address {
        FoundAddress::Ip(SocketAddr::V4(address)) => (Address::v4(address.ip().octets(), address.port()), ""),
        FoundAddress::Ip(SocketAddr::V6(address)) => {
            (Address::v6(address.ip().octets(), address.port(), 0), "")
        }
        FoundAddress::Unix(path) => (Address { family: FAMILY_UNIX, ..Address::UNKNOWN }, path),
    };
    Upstream { address, weight: u32::from(found.weight.get()), name }
}

fn tell(log: &Logger, event: &Event) {
    match event {
        Event::Loaded { generation, base, delta } => log.log(
            Level::Info,
            format_args!("uses publication {generation}: {base} entries and {delta} changes to them"),
        ),
        Event::Refused { reason, kept: Some(kept) } => {
            log.log(Level::Error, format_args!("goes on with publication {kept}: {reason}"));
        }
        Event::Refused { reason, kept: None } => {
            log.log(Level::Error, format_args!("has no table to look up in: {reason}"));
        }
        _ => {}
    }
}

plugin_sdk::export_plugin! { name: "snapshot", resolver: Snapshot }
