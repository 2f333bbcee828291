//! The thread that makes changes. Whoever wants to change something waits in its queue; all that wait are done together, and so share one
//! wait for the disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use tokio::sync::oneshot;

use crate::publishing::Message;
use crate::redis::State;
use crate::store::{Before, Change, Store};
use crate::tally::{Tally, add};

/// Orders that may wait; more are refused.
const LONGEST_QUEUE: usize = 4_096;
/// Changes of one transaction, roughly: an order is not divided.
const LARGEST_TRANSACTION: usize = 16_384;

/// Where changes are made.
pub(crate) trait Keeper: Send + 'static {
    /// Makes changes, all or none, and sees to it that they are published.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed then, unless it says that this is not known.
    fn apply(&mut self, changes: Vec<Change>) -> Result<Made, Refused>;

    /// Does what need not be done before those are answered who wanted the changes.
    fn after(&mut self) {}
}

/// Changes that were made.
#[derive(Debug)]
pub(crate) struct Made {
    /// What each of them found.
    pub(crate) before: Vec<Before>,
    /// What the copy has to come to before they are seen there, if it is a copy.
    pub(crate) revision: Option<u64>,
}

/// Changes that are made together, all or none.
struct Order {
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Made, Refused>>,
}

/// Why nothing was changed, or why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The queue is full.
    #[error("too many changes wait already; try again")]
    Busy,
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopping,
    /// The log says why.
    #[error("the store did not take it; the daemon's log says why")]
    Failed,
    /// It is in Redis, which takes nothing at this moment.
    #[error("nothing can be changed now: {0}")]
    Away(Arc<str>),
    /// It may have been made.
    #[error("whether it was changed is not known, send it again: {0}")]
    Unknown(Arc<str>),
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Queue {
    orders: SyncSender<Order>,
    copied: Option<Arc<State>>,
}

/// The thread.
pub(crate) struct Writer {
    queue: Queue,
    thread: JoinHandle<()>,
}

/// Makes changes in a store of this daemon's own.
pub(crate) struct Own {
    pub(crate) store: Arc<Store>,
    pub(crate) publishing: Sender<Message>,
    /// Made, and not published yet.
    pub(crate) made: Vec<Change>,
    pub(crate) tally: Arc<Tally>,
}

impl Keeper for Own {
    fn apply(&mut self, changes: Vec<Change>) -> Result<Made, Refused> {
        let before = self.store.apply(&changes).map_err(|error| {
            self.tally.trouble("store", error.to_string());
            Refused::Failed
        })?;
        self.tally.well("store");
        self.made = changes;
        Ok(Made { before, revision: None })
    }

    fn after(&mut self) {
        let made = std::mem::take(&mut self.made);
        if !made.is_empty() {
            // The other end lives longer than this thread.
            let _ = self.publishing.send(Message::Changed(made));
        }
    }
}

impl Writer {
    /// Starts the thread. With `copied` changes are answered when the copy has them.
    pub(crate) fn start(
        keeper: impl Keeper,
        copied: Option<Arc<State>>,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let (orders, waiting) = sync_channel(LONGEST_QUEUE);
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(keeper, &waiting, &tally))
            .context("cannot start a thread")?;
        Ok(Self { queue: Queue { orders, copied }, thread })
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until everything in the queue is done and all who have the way to it are gone.
    pub(crate) fn end(self) {
        drop(self.queue);
        // A panic of the thread was reported by the panic hook.
        let _ = self.thread.join();
    }
}

impl Queue {
    /// Makes changes, all or none. When this returns, the disk has them, or Redis. Says for each what was there before.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn apply(&self, changes: Vec<Change>) -> Result<Vec<Before>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Order { changes, reply }).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopping,
        })?;
        let made = answer.await.unwrap_or(Err(Refused::Failed))?;
        if let (Some(copied), Some(revision)) = (&self.copied, made.revision) {
            copied.wait_for(revision).await;
        }
        Ok(made.before)
    }
}

fn work(mut keeper: impl Keeper, orders: &Receiver<Order>, tally: &Tally) {
    while let Ok(first) = orders.recv() {
        let mut together = vec![first];
        let mut count = together[0].changes.len();
        while count < LARGEST_TRANSACTION {
            let Ok(order) = orders.try_recv() else { break };
            count += order.changes.len();
            together.push(order);
        }
        let (mut changes, mut replies) = (Vec::with_capacity(count), Vec::with_capacity(together.len()));
        for order in together {
            replies.push((order.reply, order.changes.len()));
            changes.extend(order.changes);
        }
        match keeper.apply(changes) {
            Ok(Made { before, revision }) => {
                add(&tally.commits, 1);
                add(&tally.changes, count as u64);
                let mut before = before.into_iter();
                for (reply, count) in replies {
                    let before = before.by_ref().take(count).collect();
                    // Whoever has gone meanwhile has no need to know.
                    let _ = reply.send(Ok(Made { before, revision }));
                }
            }
            Err(refused) => {
                for (reply, _) in replies {
                    let _ = reply.send(Err(refused.clone()));
                }
            }
        }
        keeper.after();
    }
}
