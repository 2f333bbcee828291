//! The thread that publishes what was changed.
//!
//! A change goes into the delta; everything that came while the last publication was under way goes into the next one together. When the
//! delta grows, another thread writes a new base from the store as it is then, and changes go on being published meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use backend_map::{BaseWriter, NewBase, Pattern, PublishError, Publisher, Upstreams};

use crate::store::{Change, Store, StoreError, View};
use crate::tally::{Tally, add};

/// What the thread is told.
pub(crate) enum Message {
    /// The store has these, in this order.
    Changed(Vec<Change>),
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
/// Between attempts after a failed one.
const PAUSE: Duration = Duration::from_secs(1);

impl Publishing {
    /// Publishes what the store has, and then starts the thread.
    ///
    /// # Errors
    /// If it cannot be published.
    pub(crate) fn start(
        mut publisher: Publisher,
        store: Arc<Store>,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let base = fill(publisher.new_base()?, &store.view()?).context("cannot write the table")?;
        let entries = base.entries();
        let published = publisher.publish(Some(base), []).context("cannot publish the table")?;
        tally.generation.store(published.generation, Ordering::Relaxed);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(entries, generation = published.generation, milliseconds, "published");
        let (inbox, messages) = channel();
        let worker = Worker {
            publisher,
            store,
            tally,
            inbox: inbox.clone(),
            changes: BTreeMap::new(),
            since: None,
            base_entries: entries,
            builder: None,
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

type Changes = BTreeMap<Pattern, Option<Upstreams>>;

struct Worker {
    publisher: Publisher,
    store: Arc<Store>,
    tally: Arc<Tally>,
    inbox: Sender<Message>,
    /// Since the published base.
    changes: Changes,
    /// Since the base that is being written was begun.
    since: Option<Changes>,
    base_entries: u64,
    builder: Option<JoinHandle<()>>,
}

/// What a look at the messages came to.
#[derive(Default)]
struct Heard {
    base: Option<NewBase>,
    anything: bool,
    end: bool,
}

impl Worker {
    fn run(mut self, messages: &Receiver<Message>) {
        // Set while the last attempt has failed.
        let mut retry = false;
        loop {
            let first =
                if retry { messages.recv_timeout(PAUSE) } else { messages.recv().map_err(Into::into) };
            let first = match first {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut heard = Heard { anything: retry, ..Heard::default() };
            first.into_iter().chain(messages.try_iter()).for_each(|message| self.hear(message, &mut heard));
            if heard.anything {
                retry = !self.publish(heard.base);
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
            Message::Base(Ok(base)) => {
                heard.anything = true;
                heard.base = Some(base);
            }
            Message::Base(Err(error)) => {
                self.since = None;
                self.tally.trouble("base", sentence(&error));
                heard.anything = true;
            }
            Message::End => heard.end = true,
        }
    }

    /// Says whether it is published.
    fn publish(&mut self, base: Option<NewBase>) -> bool {
        let started = Instant::now();
        let has_base = base.is_some();
        if let Some(base) = &base {
            self.base_entries = base.entries();
            // What came before that base was begun is in it. It may hold some of what came later, too: the delta says the same.
            self.changes = self.since.take().unwrap_or_default();
        } else if self.since.is_some() && self.changes.len() > DELTA_LIMIT * self.largest_delta() {
            return true;
        }
        let changes = self.changes.iter().map(|(pattern, upstreams)| (pattern, upstreams.as_ref()));
        match self.publisher.publish(base, changes) {
            Ok(published) => {
                self.tally.well("publication");
                add(&self.tally.publications, 1);
                add(&self.tally.publishing, u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
                self.tally.generation.store(published.generation, Ordering::Relaxed);
                self.tally.delta.store(published.delta, Ordering::Relaxed);
                tracing::debug!(generation = published.generation, delta = published.delta, "published");
                if has_base {
                    self.tally.well("base");
                    add(&self.tally.bases, 1);
                }
                true
            }
            Err(error) => {
                self.tally.trouble("publication", sentence(&error));
                false
            }
        }
    }

    fn largest_delta(&self) -> usize {
        usize::try_from(self.base_entries / BASE_PER_DELTA).unwrap_or(usize::MAX).max(SMALL_DELTA)
    }

    /// Has a new base written if the delta has grown and none is being written.
    fn begin_base(&mut self) {
        if self.since.is_some() || self.changes.len() <= self.largest_delta() {
            return;
        }
        let begun = self.publisher.new_base().map_err(BaseError::from);
        let begun = begun.and_then(|base| Ok((base, self.store.view()?)));
        let inbox = self.inbox.clone();
        let started = begun.map(|(base, view)| {
            thread::Builder::new().name("base".to_owned()).spawn(move || {
                let _ = inbox.send(Message::Base(fill(base, &view)));
            })
        });
        match started {
            Ok(Ok(builder)) => {
                self.builder = Some(builder);
                self.since = Some(Changes::new());
            }
            Ok(Err(error)) => self.tally.trouble("base", error.to_string()),
            Err(error) => self.tally.trouble("base", sentence(&error)),
        }
    }
}

/// Writes all entries into a base.
fn fill(mut base: BaseWriter, view: &View) -> Result<NewBase, BaseError> {
    let mut outcome = Ok(());
    view.walk(None, |entry| {
        outcome = base.add(&entry.pattern, &entry.upstreams);
        outcome.is_ok()
    })?;
    outcome?;
    Ok(base.finish()?)
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
