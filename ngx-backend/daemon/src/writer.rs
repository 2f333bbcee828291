//! The thread that changes the store. Whoever wants to change something waits in its queue; all that wait share a transaction, and so one
//! wait for the disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use tokio::sync::oneshot;

use crate::publishing::Message;
use crate::store::{Before, Change, Store};
use crate::tally::{Tally, add};

/// Orders that may wait; more are refused.
const LONGEST_QUEUE: usize = 4_096;
/// Changes of one transaction, roughly: an order is not divided.
const LARGEST_TRANSACTION: usize = 16_384;

/// Changes that are made together, all or none.
struct Order {
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Vec<Before>, Refused>>,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Queue(SyncSender<Order>);

/// The thread.
pub(crate) struct Writer {
    queue: Queue,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread; what it changed it tells to `publishing`.
    pub(crate) fn start(
        store: Arc<Store>,
        publishing: Sender<Message>,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let (sender, orders) = sync_channel(LONGEST_QUEUE);
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(&store, &orders, &publishing, &tally))
            .context("cannot start a thread")?;
        Ok(Self { queue: Queue(sender), thread })
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
    /// Makes changes, all or none. When this returns, the disk has them. Says for each what was there before.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed then.
    pub(crate) async fn apply(&self, changes: Vec<Change>) -> Result<Vec<Before>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Order { changes, reply }).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopping,
        })?;
        answer.await.unwrap_or(Err(Refused::Failed))
    }
}

fn work(store: &Store, orders: &Receiver<Order>, publishing: &Sender<Message>, tally: &Tally) {
    while let Ok(first) = orders.recv() {
        let mut together = vec![first];
        let mut count = together[0].changes.len();
        while count < LARGEST_TRANSACTION {
            let Ok(order) = orders.try_recv() else { break };
            count += order.changes.len();
            together.push(order);
        }
        match store.apply(together.iter().flat_map(|order| &order.changes)) {
            Ok(before) => {
                tally.well("store");
                add(&tally.commits, 1);
                add(&tally.changes, count as u64);
                let mut before = before.into_iter();
                let mut changes = Vec::with_capacity(count);
                let mut replies = Vec::with_capacity(together.len());
                for order in together {
                    replies.push((order.reply, before.by_ref().take(order.changes.len()).collect()));
                    changes.extend(order.changes);
                }
                // First, so that what is acknowledged is on its way. The other end lives longer than this thread.
                let _ = publishing.send(Message::Changed(changes));
                for (reply, before) in replies {
                    // Whoever has gone meanwhile has no need to know.
                    let _ = reply.send(Ok(before));
                }
            }
            Err(error) => {
                tally.trouble("store", error.to_string());
                for order in together {
                    let _ = order.reply.send(Err(Refused::Failed));
                }
            }
        }
    }
}
