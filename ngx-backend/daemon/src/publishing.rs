//! The thread that publishes what was changed.
//!
//! A change goes into the delta; everything that came while the last publication was under way goes into the next one together. When the
//! delta grows, another thread writes a new base from the store as it is then, and changes go on being published meanwhile.

mod place;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use backend_map::{NewBase, Pattern, PublishError, Publisher, Upstreams};

use crate::store::{Change, Store, StoreError};
use crate::tally::{Tally, add};
use place::fill;
pub(crate) use place::{Place, lock};

/// What the thread is told.
pub(crate) enum Message {
    /// The store has these, in this order.
    Changed(Vec<Change>),
    /// The store is another one than before. What comes with it is dropped when that is published, or could not be.
    Everything(Option<SyncSender<()>>),
    /// A base is complete.
    Base(Result<NewBase, BaseError>),
    /// There is nothing more to come.
    End,
}

/// A base could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaseError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
}

/// What is published at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The store.
    Now,
    /// Nothing: what was published last stays, until the store is known to be newer.
    WhenTold,
}

/// The thread.
pub(crate) struct Publishing {
    inbox: Sender<Message>,
    thread: JoinHandle<()>,
}

/// A delta of that many records is small whatever the base.
const SMALL_DELTA: usize = 4_096;
/// A base of that many times the delta's records is not rewritten yet: that would cost more than larger deltas do.
const BASE_PER_DELTA: u64 = 64;
/// A delta of that many times what should have become a base is not published before that base is there: so large an import is published as a whole.
const DELTA_LIMIT: usize = 8;
/// Between publications: what comes sooner goes into the next one together, so that a storm of changes does not write the delta anew for each. Far
/// below what it takes people to notice.
const GAPS: RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_millis(50);
/// So many times what the last publication took: publishing has so small a share of a processor, and those who wait for the disk have the rest.
const GAP_PER_PUBLICATION: u32 = 100;
/// Between attempts after a failed one, and between looks at what is published while nothing changes.
const PAUSE: Duration = Duration::from_secs(1);

impl Publishing {
    /// Publishes what the store has, unless that is to wait for [`Message::Everything`], and then starts the thread.
    ///
    /// # Errors
    /// If it cannot be published.
    pub(crate) fn start(
        place: Place,
        store: Arc<Store>,
        tally: Arc<Tally>,
        first: First,
    ) -> anyhow::Result<Self> {
        let context = "cannot publish the table";
        let (publisher, entries) = match first {
            First::Now => {
                let started = Instant::now();
                let (publisher, entries) = place.publish_all(&store, &tally).context(context)?;
                let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(entries, generation = publisher.generation(), milliseconds, "published");
                (publisher, entries)
            }
            First::WhenTold => (Publisher::open(&place.folder, place.access).context(context)?, 0),
        };
        let (inbox, messages) = channel();
        let worker = Worker {
            place,
            publisher,
            store,
            tally,
            inbox: inbox.clone(),
            changes: BTreeMap::new(),
            since: None,
            base_entries: entries,
            builder: None,
            next: Instant::now(),
            base_failed: None,
            failed: None,
        };
        let thread = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || worker.run(&messages))
            .context("cannot start a thread")?;
        Ok(Self { inbox, thread })
    }

    pub(crate) fn inbox(&self) -> Sender<Message> {
        self.inbox.clone()
    }

    /// Waits until everything is published.
    pub(crate) fn end(self) {
        let _ = self.inbox.send(Message::End);
        // A panic of the thread was reported by the panic hook.
        let _ = self.thread.join();
    }
}

/// How long a publication that took so long is followed by none.
fn gap(took: Duration) -> Duration {
    (took * GAP_PER_PUBLICATION).clamp(*GAPS.start(), *GAPS.end())
}

type Changes = BTreeMap<Pattern, Option<Upstreams>>;

struct Worker {
    place: Place,
    publisher: Publisher,
    store: Arc<Store>,
    tally: Arc<Tally>,
    inbox: Sender<Message>,
    /// Since the published base.
    changes: Changes,
    /// Since the base that is being written was begun.
    since: Option<Changes>,
    base_entries: u64,
    /// Until its message has come.
    builder: Option<JoinHandle<()>>,
    /// Before that nothing is published.
    next: Instant,
    /// When the last attempt at a base failed.
    base_failed: Option<Instant>,
    /// When the last publication failed, if it did: the next one begins anew, whatever is in the folder.
    failed: Option<Instant>,
}

/// What a look at the messages came to.
#[derive(Default)]
struct Heard {
    base: Option<NewBase>,
    anything: bool,
    /// The whole store is to be published.
    everything: bool,
    /// Those who wait for that.
    waiting: Vec<SyncSender<()>>,
    end: bool,
}

impl Worker {
    fn run(mut self, messages: &Receiver<Message>) {
        // Set while the last attempt has failed.
        let mut retry = false;
        loop {
            let first = match messages.recv_timeout(PAUSE + PAUSE / 10) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) if retry => None,
                Err(RecvTimeoutError::Timeout) => {
                    retry = !self.look();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What comes meanwhile does not even wake this thread.
            thread::sleep(self.next.saturating_duration_since(Instant::now()));
            let mut heard = Heard { anything: retry, ..Heard::default() };
            first.into_iter().chain(messages.try_iter()).for_each(|message| self.hear(message, &mut heard));
            if heard.anything {
                let started = Instant::now();
                retry = !self.publish(heard.base, heard.everything);
                self.next = Instant::now() + gap(started.elapsed());
                self.begin_base();
            }
            if heard.end {
                if let Some(builder) = self.builder.take() {
                    let _ = builder.join();
                }
                return;
            }
        }
    }

    fn hear(&mut self, message: Message, heard: &mut Heard) {
        match message {
            Message::Changed(changes) => {
                heard.anything = true;
                for (pattern, upstreams) in changes {
                    if let Some(since) = &mut self.since {
                        since.insert(pattern.clone(), upstreams.clone());
                    }
                    self.changes.insert(pattern, upstreams);
                }
            }
            Message::Everything(waiting) => {
                heard.waiting.extend(waiting);
                (heard.anything, heard.everything) = (true, true);
                self.changes.clear();
                self.since = None;
            }
            Message::Base(outcome) => {
                self.builder = None;
                match outcome {
                    // Otherwise everything was published meanwhile, and nobody has noted what this one lacks.
                    Ok(base) if self.since.is_some() => {
                        heard.anything = true;
                        heard.base = Some(base);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        self.no_base(&error);
                        // What waited for this base goes into a delta.
                        heard.anything = true;
                    }
                }
            }
            Message::End => heard.end = true,
        }
    }

    /// Says whether it is published.
    fn publish(&mut self, base: Option<NewBase>, everything: bool) -> bool {
        match self.failed {
            Some(failed) if failed.elapsed() < PAUSE => return false,
            Some(_) => return self.begin_anew(),
            None if everything => return self.begin_anew(),
            None => {}
        }
        let started = Instant::now();
        let new_base = base.as_ref().map(NewBase::entries);
        // What came before that base was begun is in it. It may hold some of what came later, too: the delta says the same.
        let since = if new_base.is_some() { self.since.take() } else { None };
        if self.since.is_some() && self.changes.len() > DELTA_LIMIT * self.largest_delta() {
            return true;
        }
        let changes = since.as_ref().unwrap_or(&self.changes);
        let changes = changes.iter().map(|(pattern, upstreams)| (pattern, upstreams.as_ref()));
        match self.publisher.publish(base, changes) {
            Ok(published) => {
                self.tally.well("publication");
                add(&self.tally.publications, 1);
                add(&self.tally.publishing, u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
                self.tally.generation.store(published.generation, Ordering::Relaxed);
                self.tally.delta.store(published.delta, Ordering::Relaxed);
                tracing::debug!(generation = published.generation, delta = published.delta, "published");
                if let (Some(entries), Some(since)) = (new_base, since) {
                    self.tally.well("base");
                    add(&self.tally.bases, 1);
                    (self.base_entries, self.changes) = (entries, since);
                }
                true
            }
            Err(error) => {
                self.tally.trouble("publication", sentence(&error));
                self.failed = Some(Instant::now());
                false
            }
        }
    }

    /// Sees to it that what is published is there, which a worker of nginx that starts now depends on. Says whether it is.
    fn look(&mut self) -> bool {
        match self.publisher.check() {
            Ok(()) => true,
            Err(error) => {
                self.tally.trouble("publication", sentence(&error));
                self.begin_anew()
            }
        }
    }

    /// Publishes all that the store has, whatever was published before.
    fn begin_anew(&mut self) -> bool {
        match self.place.publish_all(&self.store, &self.tally) {
            Ok((publisher, entries)) => {
                (self.publisher, self.base_entries) = (publisher, entries);
                self.changes.clear();
                self.since = None;
                self.failed = None;
                self.tally.well("publication");
                add(&self.tally.publications, 1);
                add(&self.tally.bases, 1);
                true
            }
            Err(error) => {
                self.failed = Some(Instant::now());
                self.tally.trouble("publication", sentence(&error));
                false
            }
        }
    }

    /// Another base is tried with a later change.
    fn no_base(&mut self, error: &BaseError) {
        self.since = None;
        self.base_failed = Some(Instant::now());
        self.tally.trouble("base", sentence(error));
    }

    fn largest_delta(&self) -> usize {
        usize::try_from(self.base_entries / BASE_PER_DELTA).unwrap_or(usize::MAX).max(SMALL_DELTA)
    }

    /// Has a new base written if the delta has grown and none is being written.
    fn begin_base(&mut self) {
        let failed_lately = self.base_failed.is_some_and(|failed| failed.elapsed() < PAUSE);
        let is_small = self.changes.len() <= self.largest_delta();
        if is_small || self.failed.is_some() || self.builder.is_some() || failed_lately {
            return;
        }
        let begun = self.publisher.new_base().map_err(BaseError::from);
        let started = begun.and_then(|base| {
            let (view, inbox) = (self.store.view()?, self.inbox.clone());
            let thread = thread::Builder::new().name("base".to_owned());
            Ok(thread.spawn(move || drop(inbox.send(Message::Base(fill(base, &view)))))?)
        });
        match started {
            Ok(builder) => {
                self.builder = Some(builder);
                self.since = Some(Changes::new());
            }
            Err(error) => self.no_base(&error),
        }
    }
}

/// An error with its sources.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        sentence = format!("{sentence}: {error}");
        source = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use backend_map::{Access, Host, Reader, Upstream};

    #[test]
    fn publishing_has_a_small_share_of_the_time_and_is_soon_enough() {
        let ms = Duration::from_millis;
        assert_eq!(gap(Duration::ZERO), ms(5));
        assert_eq!(gap(Duration::from_micros(95)), Duration::from_micros(9_500));
        assert_eq!(gap(ms(3)), ms(50), "half of what people may wait for it");
    }

    fn worker(folder: &Path, inbox: Sender<Message>) -> Worker {
        let store = Arc::new(Store::open(&folder.join("map.redb")).unwrap());
        let place = Place { folder: folder.join("map"), access: Access { group: None } };
        let tally = Arc::new(Tally::default());
        let (publisher, base_entries) = place.publish_all(&store, &tally).unwrap();
        Worker {
            place,
            publisher,
            store,
            tally,
            inbox,
            changes: Changes::new(),
            since: None,
            base_entries,
            builder: None,
            next: Instant::now(),
            base_failed: None,
            failed: None,
        }
    }

    fn change(number: usize) -> Change {
        let upstream =
            Upstream { address: "192.0.2.1:80".parse().unwrap(), weight: std::num::NonZeroU16::MIN };
        let pattern = Pattern::parse(&format!("h{number}.example")).unwrap();
        (pattern, Some(Upstreams::new(vec![upstream]).unwrap()))
    }

    #[test]
    fn what_waited_for_a_base_is_published_when_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let (inbox, messages) = channel();
        let mut worker = worker(folder.path(), inbox.clone());
        // As if a base were being written.
        worker.since = Some(Changes::new());
        let count = DELTA_LIMIT * SMALL_DELTA + 1;
        let reader = Reader::new(&folder.path().join("map"), |_| {});
        let last = Host::parse(format!("h{}.example", count - 1).as_bytes()).unwrap();
        let is_seen = || reader.find(&last, |found| found.is_some()).unwrap();

        worker.hear(Message::Changed((0..count).map(change).collect()), &mut Heard::default());
        assert!(worker.publish(None, false));
        assert!(!is_seen(), "so much waits for the base");
        let no_base = BaseError::Thread(std::io::Error::other("no thread"));
        inbox.send(Message::Base(Err(no_base))).unwrap();
        inbox.send(Message::End).unwrap();
        worker.run(&messages);
        assert!(is_seen(), "nothing else will come that has it published");
    }
}
