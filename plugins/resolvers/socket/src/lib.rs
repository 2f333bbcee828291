//! Resolver that asks the backend daemon over its unix socket, without ever blocking its caller.
//!
//! A question only puts itself into a table. One thread of the plugin's own sends what has gathered there and notes the answers, which
//! are kept for the moment in which the host asks again.
#![forbid(unsafe_code)]

mod connection;
mod desk;
mod settings;
mod worker;

use backend_map::{Host, UpstreamAddress};
use desk::{Desk, Outcome};
use plugin_sdk::abi::address::FAMILY_UNIX;
use plugin_sdk::{Address, Error, Plugin, Query, Resolution, Resolver, Setup, Upstream};
use settings::Settings;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

struct Socket {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Plugin for Socket {
    /// Succeeds without a daemon, too: it may start later.
    fn create(setup: &Setup<'_>) -> Result<Socket, Error> {
        let settings = plugin_settings::read::<Settings>(setup)?.checked()?;
        let (desk, thread) = worker::start(settings, setup.log())?;
        Ok(Socket { desk, thread: Some(thread) })
    }

    fn health(&self) -> Result<(), Error> {
        self.desk.health()
    }
}

impl Resolver for Socket {
    /// What becomes of an upstream is nginx's business.
    const HEARS: bool = false;

    fn resolve(&self, host: &str, query: &mut Query<'_>) -> Result<Resolution, Error> {
        // What is no host has no entry.
        let Ok(host) = Host::parse(host.as_bytes()) else { return Ok(Resolution::NotFound) };
        match self.desk.known(&host, Instant::now()) {
            Some(Outcome::Upstreams(upstreams)) => {
                upstreams.iter().try_for_each(|upstream| query.add(&lend(upstream)))?;
                Ok(Resolution::Found)
            }
            Some(Outcome::NotKnown) => Ok(Resolution::NotFound),
            Some(Outcome::Failed(status, reason)) => Err(Error::with_status(status, &*reason)),
            None => match query.wait() {
                Some((waker, ticket)) => {
                    self.desk.ask(host, Some(waker))?;
                    Ok(Resolution::Pending(ticket))
                }
                None => {
                    self.desk.ask(host, None)?;
                    Err(Error::unavailable(
                        "the daemon is being asked, and this host cannot wait for the answer",
                    ))
                }
            },
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.desk.end();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook, and there is nobody else to tell.
            let _ = thread.join();
        }
        // Were it to end otherwise, whoever still waits is woken here.
        self.desk.lose("the instance has ended", Instant::now());
    }
}

fn lend(upstream: &backend_map::Upstream) -> Upstream<'_> {
    let (address, name) = match &upstream.address {
        UpstreamAddress::Ip(SocketAddr::V4(address)) => {
            (Address::v4(address.ip().octets(), address.port()), "")
        }
        UpstreamAddress::Ip(SocketAddr::V6(address)) => {
            (Address::v6(address.ip().octets(), address.port(), 0), "")
        }
        UpstreamAddress::Unix(path) => (Address { family: FAMILY_UNIX, ..Address::UNKNOWN }, path.as_str()),
    };
    Upstream { address, weight: u32::from(upstream.weight.get()), name }
}

plugin_sdk::export_plugin! { name: "socket", resolver: Socket }
