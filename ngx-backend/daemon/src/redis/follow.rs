//! The thread that follows what all nodes change, into the copy and to the publisher.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use redis_link::{Target, pause, random};
use tokio::sync::oneshot;

use super::decide::{Next, decide};
use super::records::Read;
use super::refill::refill;
use super::scan::{Scanned, read_all};
use super::session::Session;
use super::settings::{Keys, Settings};
use super::state::{State, Trouble};
use crate::publishing::Message;
use crate::store::{Change, Mark, Position, Store};
use crate::tally::Tally;

/// Between looks at whether Redis still has the map that is followed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between attempts to connect, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The copy is written to the disk when there is nothing else to do, and after so long in any case: until then its file only grows.
const LONGEST_UNWRITTEN: Duration = Duration::from_secs(5);
/// What is skipped is named in the log up to so many.
const NAMED: usize = 100;
/// For the first attempt, before the API is served.
const FIRST_ATTEMPT: Duration = Duration::from_secs(10);

/// The thread.
pub(crate) struct Follower {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    first: Receiver<()>,
}

impl Follower {
    /// Starts it; what it follows it tells to `publishing`, beginning with everything.
    ///
    /// # Errors
    /// If the system has no thread.
    pub(crate) fn start(
        settings: &Arc<Settings>,
        (store, mark): (Arc<Store>, Option<Mark>),
        state: Arc<State>,
        publishing: Sender<Message>,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ((end, ended), (first, told)) = (oneshot::channel(), sync_channel(1));
        state.set_followed(mark.map(|mark| mark.position).unwrap_or_default());
        let mut worker = Worker {
            settings: Arc::clone(settings),
            store,
            state,
            publishing,
            tally,
            mark,
            is_announced: false,
            unwritten: None,
            named: BTreeSet::new(),
            first: Some(first),
        };
        let thread = thread::Builder::new()
            .name("redis".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        never = worker.run() => match never {},
                        // Also if nobody can tell any more.
                        _ = ended => {}
                    }
                });
                worker.write_to_disk();
            })
            .context("cannot start a thread")?;
        Ok(Self { end, thread, first: told })
    }

    /// Waits until the map is published, or cannot be followed for the moment, so that in the usual case the API has the whole map from the beginning.
    pub(crate) fn wait_for_first(&self) {
        if let Err(RecvTimeoutError::Timeout) = self.first.recv_timeout(FIRST_ATTEMPT) {
            tracing::info!("reading the map takes a while; the API is served meanwhile");
        }
    }

    /// Ends it.
    pub(crate) fn end(self) {
        let _ = self.end.send(());
        // A panic of the thread was reported by the panic hook.
        let _ = self.thread.join();
    }
}

struct Worker {
    settings: Arc<Settings>,
    store: Arc<Store>,
    state: Arc<State>,
    publishing: Sender<Message>,
    tally: Arc<Tally>,
    /// How far the copy has come.
    mark: Option<Mark>,
    /// Whether the publisher has everything up to there.
    is_announced: bool,
    /// Since when there are changes that the disk does not have.
    unwritten: Option<Instant>,
    /// What was skipped and named in the log.
    named: BTreeSet<Vec<u8>>,
    /// Dropped when the first attempt has ended.
    first: Option<SyncSender<()>>,
}

impl Worker {
    /// Follows for ever, over one connection after the other.
    async fn run(&mut self) -> Infallible {
        let mut failed = 0;
        loop {
            let connections = self.state.numbers.connections.load(Ordering::Relaxed);
            let Err(trouble) = self.follow().await;
            let was_there = self.state.numbers.connections.load(Ordering::Relaxed) != connections;
            failed = if was_there { 1 } else { failed + 1 };
            self.state.not_following(&trouble);
            self.tally.trouble("redis", trouble.to_string());
            // Whoever waits for the map need not any longer.
            self.first = None;
            self.write_to_disk();
            tokio::time::sleep(pause(failed, LONGEST_PAUSE, random())).await;
        }
    }

    /// Follows over one connection until it is of no use any more.
    async fn follow(&mut self) -> Result<Infallible, Trouble> {
        let (target, keys): (&Target, &Keys) = (&self.settings.target, &self.settings.keys);
        let mut session = Session::open(target, keys).await?;
        let mut looked: Option<Instant> = None;
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                if !self.look(&mut session).await? {
                    continue;
                }
                looked = Some(Instant::now());
            }
            // The first time only what is there already, so that the end of it shows.
            let wait = self.is_following().then_some(LOOK_EVERY);
            match session.read(self.position(), wait).await? {
                Read::Nothing if self.is_following() => self.write_to_disk(),
                Read::Nothing => {
                    let everything = !self.is_announced;
                    self.announce(everything);
                }
                Read::Changes(changes, position) => self.take(changes, position)?,
                Read::Gap(why) => self.read_all(&mut session, &why).await?,
            }
        }
    }

    fn is_following(&self) -> bool {
        self.state.reason().is_none()
    }

    fn position(&self) -> Position {
        self.mark.map(|mark| mark.position).unwrap_or_default()
    }

    /// Looks at whether Redis has what this node has come to, and does what follows from it. False if it has to be looked at again.
    async fn look(&mut self, session: &mut Session) -> Result<bool, Trouble> {
        let look = session.look(self.position()).await?;
        self.state.numbers.revision.store(look.last.unwrap_or_default().revision, Ordering::Relaxed);
        let entries = if self.store.is_filled() { self.store.view()?.count()? } else { 0 };
        match decide(&look, self.mark, entries) {
            Next::Follow => Ok(true),
            Next::ReadAll(why) => self.read_all(session, &why).await.map(|()| true),
            Next::KeepWhatThereIs if self.settings.refill => {
                refill(session, &self.store, self.position()).await.map(|()| false)
            }
            Next::KeepWhatThereIs => Err(Trouble::Lost(self.settings.target.address.to_string())),
        }
    }

    async fn read_all(&mut self, session: &mut Session, why: &str) -> Result<(), Trouble> {
        let started = Instant::now();
        tracing::info!(why, "reads the whole map from Redis");
        let Scanned { mark, bad, entries } = read_all(session, &self.store).await?;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(entries, revision = mark.position.revision, milliseconds, "has the whole map");
        for key in
            bad.iter().filter(|key| !self.named.contains(*key)).take(NAMED.saturating_sub(self.named.len()))
        {
            let key = key.escape_ascii().to_string();
            tracing::warn!(key, "what Redis has under this key is no entry and is skipped");
        }
        // Others are counted: somebody may have written millions.
        self.named.extend(bad.into_iter().take(NAMED));
        let numbers = &self.state.numbers;
        numbers.copies.fetch_add(1, Ordering::Relaxed);
        numbers.skipped.store(mark.skipped, Ordering::Relaxed);
        numbers.revision.store(mark.position.revision, Ordering::Relaxed);
        (self.mark, self.unwritten) = (Some(mark), None);
        self.announce(true);
        Ok(())
    }

    /// The copy is as Redis is. With `everything` the publisher does not have what it had before.
    fn announce(&mut self, everything: bool) {
        if everything {
            // The other end lives longer than this thread.
            let _ = self.publishing.send(Message::Everything(self.first.take()));
            self.is_announced = true;
        }
        self.state.set_followed(self.position());
        if !self.is_following() {
            // Whoever has an older connection than this makes a new one.
            self.state.numbers.connections.fetch_add(1, Ordering::Relaxed);
            self.state.following();
            let revision = self.position().revision;
            tracing::info!(redis = %self.settings.target, revision, "follows the map in Redis");
        }
        self.tally.well("redis");
    }

    fn take(&mut self, changes: Vec<Change>, position: Position) -> Result<(), Trouble> {
        let mark = Mark { position, skipped: self.mark.unwrap_or_default().skipped };
        self.store.follow(&changes, mark, false)?;
        self.mark = Some(mark);
        self.unwritten.get_or_insert_with(Instant::now);
        if self.is_announced {
            let _ = self.publishing.send(Message::Changed(changes));
            self.state.set_followed(position);
        }
        if self.unwritten.is_some_and(|since| since.elapsed() >= LONGEST_UNWRITTEN) {
            self.write_to_disk();
        }
        Ok(())
    }

    /// Writes what was followed to the disk, so that another start need not read it again.
    fn write_to_disk(&mut self) {
        let (Some(_), Some(mark)) = (self.unwritten, self.mark) else { return };
        match self.store.follow(&[], mark, true) {
            Ok(()) => self.tally.well("copy"),
            Err(error) => self.tally.trouble("copy", error.to_string()),
        }
        self.unwritten = None;
    }
}
