#![doc = include_str!("../README.md")]

mod access;
mod api;
mod identity;
mod options;
mod publishing;
mod redis;
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
use crate::publishing::{First, Place, Publishing};
use crate::redis::{Follower, Settings, State, Writing};
use crate::store::{Mark, Store};
use crate::tally::Tally;
use crate::writer::{Own, Writer};

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
    let redis = options.redis()?.map(Arc::new);
    let identity = Identity::read(options.user.as_deref(), options.group.as_deref())?;
    make_folders(options, &identity)?;
    identity.assume()?;
    let rules = Rules::new(token, options.allow_uid.clone());

    let (_stopper, stop) = http_front::listen_for_signals().context("cannot listen for signals")?;
    let (store, mark) = open(options, redis.as_deref())?;
    let tally = Arc::new(Tally::default());
    let place = Place { folder: options.publish.clone(), access: Access { group: identity.group() } };
    let _lock = publishing::lock(&place.folder)?;
    let is_old = redis.is_some() && (!store.is_filled() || place.has_table());
    let first = if is_old { First::WhenTold } else { First::Now };
    let publishing = Publishing::start(place, Arc::clone(&store), Arc::clone(&tally), first)?;
    let keeping = match redis {
        None => Keeping::here(&store, &publishing, &tally)?,
        Some(settings) => Keeping::in_redis(&settings, (&store, mark), &publishing, &tally)?,
    };
    let Keeping { writer, follower, state } = keeping;
    let sockets = sockets::bind(options, identity.group())?;
    let resolvers =
        resolvers::start(sockets.resolvers, Arc::clone(&store), Arc::clone(&tally), stop.clone())?;
    if let Some(follower) = &follower {
        follower.wait_for_first();
    }
    let api = Api {
        store,
        writer: writer.queue(),
        redis: state,
        rules,
        tally,
        started,
        access_log: options.access_log.0,
    };
    serve::run(api, sockets.unix, sockets.tcp, options.shutdown_deadline.0, stop)?;
    // Each waits for what came before it: what was acknowledged is published before the end.
    resolvers.end();
    writer.end();
    if let Some(follower) = follower {
        follower.end();
    }
    publishing.end();
    tracing::info!("stopped");
    Ok(())
}

/// The store, or the copy of one in Redis and how far it has come.
fn open(options: &Options, redis: Option<&Settings>) -> anyhow::Result<(Arc<Store>, Option<Mark>)> {
    let (store, mark) = match redis {
        None => (Store::open(options.store_file())?, None),
        Some(settings) => Store::open_copy(options.store_file(), &settings.source())?,
    };
    Ok((Arc::new(store), mark))
}

/// The threads that change the store.
struct Keeping {
    writer: Writer,
    follower: Option<Follower>,
    state: Option<Arc<State>>,
}

impl Keeping {
    fn here(store: &Arc<Store>, publishing: &Publishing, tally: &Arc<Tally>) -> anyhow::Result<Self> {
        let own = Own {
            store: Arc::clone(store),
            publishing: publishing.inbox(),
            made: Vec::new(),
            tally: Arc::clone(tally),
        };
        Ok(Self { writer: Writer::start(own, None, Arc::clone(tally))?, follower: None, state: None })
    }

    fn in_redis(
        settings: &Arc<Settings>,
        (store, mark): (&Arc<Store>, Option<Mark>),
        publishing: &Publishing,
        tally: &Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let state = Arc::new(State::new());
        let copy = (Arc::clone(store), mark);
        let follower =
            Follower::start(settings, copy, Arc::clone(&state), publishing.inbox(), Arc::clone(tally))?;
        let writing = Writing::new(Arc::clone(settings), Arc::clone(&state), Arc::clone(tally))?;
        let writer = Writer::start(writing, Some(Arc::clone(&state)), Arc::clone(tally))?;
        Ok(Self { writer, follower: Some(follower), state: Some(state) })
    }
}

/// The folders that the daemon works in, where they are not there yet.
fn make_folders(options: &Options, identity: &Identity) -> anyhow::Result<()> {
    identity.make_folder(&options.publish)?;
    let parents = [Some(options.store_file()), Some(&options.socket), options.resolver_socket.as_deref()];
    for folder in parents.into_iter().flatten().filter_map(|path| path.parent()) {
        identity.make_folder(folder)?;
    }
    Ok(())
}
