#![doc = include_str!("../README.md")]

mod access;
mod api;
mod identity;
mod options;
mod publishing;
mod resolvers;
mod serve;
mod sockets;
mod store;
mod tally;
mod writer;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use backend_map::Access;
use clap::Parser;
use rustix::fs::Mode;

use crate::access::Rules;
use crate::api::Api;
use crate::identity::Identity;
use crate::options::Options;
use crate::publishing::{Place, Publishing};
use crate::store::Store;
use crate::tally::Tally;
use crate::writer::Writer;

/// Status of a start that could not succeed.
const CANNOT_START: u8 = 2;

/// Runs the program until it is told to stop; gives its exit status.
pub fn run() -> ExitCode {
    match start(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backend: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}

/// The order matters: privileges are dropped while there is one thread, since they belong to threads; the token is read before, as its
/// file may be root's alone.
fn start(options: &Options) -> anyhow::Result<()> {
    // Nothing is made that others may read, unless it is given to them later.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    http_front::log::start(options.log_level);
    let started = SystemTime::now();
    let token = options.token()?;
    let identity = Identity::read(options.user.as_deref(), options.group.as_deref())?;
    make_folders(options, &identity)?;
    identity.assume()?;
    let rules = Rules::new(token, options.allow_uid.clone());

    let (_stopper, stop) = http_front::listen_for_signals().context("cannot listen for signals")?;
    let store = Arc::new(Store::open(&options.store)?);
    let tally = Arc::new(Tally::default());
    let place = Place { folder: options.publish.clone(), access: Access { group: identity.group() } };
    let _lock = publishing::lock(&place.folder)?;
    let publishing = Publishing::start(place, Arc::clone(&store), Arc::clone(&tally))?;
    let writer = Writer::start(Arc::clone(&store), publishing.inbox(), Arc::clone(&tally))?;
    let sockets = sockets::bind(options, identity.group())?;
    let resolvers =
        resolvers::start(sockets.resolvers, Arc::clone(&store), Arc::clone(&tally), stop.clone())?;
    let api = Api { store, writer: writer.queue(), rules, tally, started, access_log: options.access_log.0 };
    serve::run(api, sockets.unix, sockets.tcp, options.shutdown_deadline.0, stop)?;
    // Each waits for what came before it: what was acknowledged is published before the end.
    resolvers.end();
    writer.end();
    publishing.end();
    tracing::info!("stopped");
    Ok(())
}

/// The folders that the daemon works in, where they are not there yet.
fn make_folders(options: &Options, identity: &Identity) -> anyhow::Result<()> {
    identity.make_folder(&options.publish)?;
    let parents = [Some(&options.store), Some(&options.socket), options.resolver_socket.as_ref()];
    for folder in parents.into_iter().flatten().filter_map(|path| path.parent()) {
        identity.make_folder(folder)?;
    }
    Ok(())
}
