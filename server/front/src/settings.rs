//! What a front is told before it serves.

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
        }
    }
}
