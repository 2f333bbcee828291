//! How it stands with Redis: written by the thread that follows, read by all others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_front::metrics::{MetricFamily, counter, gauge};
use redis_link::ConnectError;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::store::{Position, StoreError};

/// What threads know of Redis.
#[derive(Debug)]
pub(crate) struct State {
    standing: Mutex<Standing>,
    /// The revision that the copy has come to.
    followed: watch::Sender<u64>,
    pub(super) numbers: Numbers,
}

#[derive(Debug, Clone)]
enum Standing {
    /// All changes are followed.
    Following,
    /// Why not, in full and for strangers.
    Not(Arc<str>, &'static str),
}

/// Numbers, each set or added to by one thread.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Connections that were made; a later one than somebody else's says that Redis was away meanwhile.
    pub(super) connections: AtomicU64,
    /// The last revision that was seen in Redis.
    pub(super) revision: AtomicU64,
    /// How often the copy was made anew.
    pub(super) copies: AtomicU64,
    /// Entries that are none.
    pub(super) skipped: AtomicU64,
}

/// Why changes are not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection is of no use any more.
    #[error("{0}")]
    Broken(String),
    /// Redis does not do what it is asked for.
    #[error("{0}")]
    Refused(String),
    /// Redis has neither entries nor a record of changes, and had both.
    #[error(
        "Redis at {0} has lost the map; restore its data, or start a daemon with --store-refill on, which puts its copy there. What was published last stays. To begin with an empty map, stop all daemons and remove their copies (--store-copy)"
    )]
    Lost(String),
    /// What Redis has is not what daemons write, in a way that cannot be skipped.
    #[error("{0}")]
    Foreign(String),
    #[error("the copy: {0}")]
    Copy(#[from] StoreError),
}

impl Trouble {
    /// For strangers: no addresses.
    fn brief(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Refused(_)) => "Redis does not let the daemon in",
            Self::Connect(ConnectError::Away(_)) | Self::Broken(_) => "Redis cannot be reached",
            Self::Refused(_) => "Redis refuses what the daemon needs",
            Self::Lost(_) => "Redis has lost the map",
            Self::Foreign(_) => "Redis has something else than a map there",
            Self::Copy(_) => "the copy does not work",
        }
    }
}

/// How long somebody waits until a change of theirs has come back.
const PATIENCE: Duration = Duration::from_secs(2);

impl State {
    pub(crate) fn new() -> Self {
        let standing =
            Standing::Not(Arc::from("the daemon has not reached Redis yet"), "it has not been reached yet");
        let (followed, _) = watch::channel(0);
        Self { standing: Mutex::new(standing), followed, numbers: Numbers::default() }
    }

    /// Why changes cannot be made now.
    pub(super) fn reason(&self) -> Option<Arc<str>> {
        match &*self.standing.lock().unwrap_or_else(PoisonError::into_inner) {
            Standing::Following => None,
            Standing::Not(reason, _) => Some(Arc::clone(reason)),
        }
    }

    /// For strangers; `None` if all is well.
    pub(crate) fn brief(&self) -> Option<&'static str> {
        match &*self.standing.lock().unwrap_or_else(PoisonError::into_inner) {
            Standing::Following => None,
            Standing::Not(_, brief) => Some(brief),
        }
    }

    pub(super) fn following(&self) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Standing::Following;
    }

    pub(super) fn not_following(&self, trouble: &Trouble) {
        let standing = Standing::Not(Arc::from(trouble.to_string()), trouble.brief());
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    pub(super) fn followed(&self) -> u64 {
        *self.followed.borrow()
    }

    /// The copy has come there. May be less than before, where Redis went back.
    pub(super) fn set_followed(&self, position: Position) {
        self.numbers.revision.fetch_max(position.revision, Ordering::Relaxed);
        self.followed.send_replace(position.revision);
    }

    /// Waits until the copy has a change, so that whoever made it finds it there. Not for ever: it is made all the same.
    pub(crate) async fn wait_for(&self, revision: u64) {
        let mut followed = self.followed.subscribe();
        // It cannot be closed as long as we are here.
        let _ = timeout(PATIENCE, followed.wait_for(|followed| *followed >= revision)).await;
    }

    pub(crate) fn metrics(&self) -> Vec<MetricFamily> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (followed, revision) = (self.followed(), get(&self.numbers.revision));
        let single = |number: &AtomicU64| [(vec![], get(number))];
        vec![
            gauge(
                "backend_redis_following",
                "1 if all changes in Redis are followed, else 0.",
                [(vec![], f64::from(u8::from(self.reason().is_none())))],
            ),
            gauge(
                "backend_redis_followed_revision",
                "The revision that this node has come to.",
                [(vec![], followed as f64)],
            ),
            gauge(
                "backend_redis_lag_changes",
                "Changes that were seen in Redis and that this node has not come to yet.",
                [(vec![], revision.saturating_sub(followed) as f64)],
            ),
            gauge(
                "backend_redis_skipped_entries",
                "What another program wrote among the entries and is none.",
                [(vec![], get(&self.numbers.skipped) as f64)],
            ),
            counter(
                "backend_redis_connections_total",
                "Connections to follow changes.",
                single(&self.numbers.connections),
            ),
            counter(
                "backend_redis_copies_total",
                "How often the copy was made anew.",
                single(&self.numbers.copies),
            ),
        ]
    }
}
