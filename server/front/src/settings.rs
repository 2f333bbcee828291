//! What a front is told before it serves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client_address::TrustedProxies;

/// Limits and habits of a front. The default suits a server that may be reached from anywhere.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a request's head to arrive, and again for its body: 10 s.
    pub read_timeout: Duration,
    /// For a client to take some more of an answer, after it took none: 30 s.
    pub write_timeout: Duration,
    /// For the next request of a connection: 60 s.
    pub idle_timeout: Duration,
    /// For open requests to finish once the process was told to stop: 10 s.
    pub shutdown_deadline: Duration,
    /// Largest request head in bytes, at least 8 KiB: 16 KiB. A larger one is answered 431.
    pub head_limit: usize,
    /// Largest request body in bytes: 1 MiB. A larger one is answered 413.
    pub body_limit: usize,
    /// Connections served at once, at least 1; further ones wait in the system's queue: 10 000.
    pub max_connections: usize,
    /// Whose word is taken for the client's address: nobody's.
    pub trusted_proxies: TrustedProxies,
    /// Whether each answer is a line on standard error: yes.
    pub access_log: bool,
    /// What becomes of an answer whose client has gone: it is finished.
    pub client_gone: ClientGone,
    /// Whom to show that the front is alive: nobody.
    pub heartbeat: Option<Heartbeat>,
}

/// What shows that a front is alive.
#[derive(Clone)]
pub struct Heartbeat {
    pub(crate) every: Duration,
    pub(crate) beat: Arc<dyn Fn() + Send + Sync>,
}

impl Heartbeat {
    /// Has `beat` called about so often, as long as every thread of the front goes round: one that is caught in an answer that does not
    /// come ends it. Called from any of the threads, and must not block.
    pub fn new(every: Duration, beat: impl Fn() + Send + Sync + 'static) -> Self {
        Self { every, beat: Arc::new(beat) }
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("every", &self.every).finish_non_exhaustive()
    }
}

/// What to do when a client closes its side of the connection while [`Application::finish`] is under way.
///
/// TCP tells of a client that has gone only that it sends no more, which is also what one says that has said all and waits (`shutdown(2)` with
/// `SHUT_WR`). Nobody can tell the two apart before the answer is written, so the application chooses.
///
/// [`Application::finish`]: crate::Application::finish
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientGone {
    /// The answer is finished and sent to whom it may concern. For answers that cost less than to be wrong about it.
    #[default]
    Finish,
    /// The connection ends, and the future of the answer is dropped. For answers that cost a lot. A client that closes its side and waits
    /// gets none.
    ///
    /// A client that has sent more than 16 KiB of further requests meanwhile is not seen to go.
    Abandon,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            shutdown_deadline: Duration::from_secs(10),
            head_limit: 16 * 1024,
            body_limit: 1024 * 1024,
            max_connections: 10_000,
            trusted_proxies: TrustedProxies::default(),
            access_log: true,
            client_gone: ClientGone::default(),
            heartbeat: None,
        }
    }
}
