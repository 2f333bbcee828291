//! The connections and answers of the server as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sharded::Sharded;

/// Counts what the listeners see. Each method costs a nanosecond or two and may be called from any thread.
pub struct ServerStats {
    counters: Sharded<COUNTERS>,
}

/// What [`ServerStats`] counted since the server started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// Connections that were accepted.
    pub connections_accepted: u64,
    /// Connections that are open now.
    pub connections_open: u64,
    /// Times that the system would not give a connection, mostly because the process had no descriptors left.
    pub accept_errors: u64,
    /// Answers by the first digit of their status, 1 to 5, in this order.
    pub responses: [u64; 5],
    /// Bytes of the bodies of all answers, as the application gave them: no heads, no framing.
    pub response_bytes: u64,
    /// Answers that had to be waited for, and whose connection ended before. They are not among the `responses`.
    pub abandoned: u64,
}

const ACCEPTED: usize = 0;
const CLOSED: usize = 1;
const ACCEPT_ERRORS: usize = 2;
const RESPONSE_BYTES: usize = 3;
const ABANDONED: usize = 4;
/// From here on the classes of status.
const RESPONSES: usize = 5;
const COUNTERS: usize = RESPONSES + 5;

impl ServerStats {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { counters: Sharded::new() }
    }

    /// A connection was accepted. [`connection_closed`](Self::connection_closed) follows once, perhaps on another thread.
    pub fn connection_accepted(&self) {
        self.counters.mine().add(ACCEPTED, 1);
    }

    /// A connection that was accepted is closed, whoever closed it.
    pub fn connection_closed(&self) {
        self.counters.mine().add(CLOSED, 1);
    }

    /// The system would not give a connection that waits.
    pub fn accept_failed(&self) {
        self.counters.mine().add(ACCEPT_ERRORS, 1);
    }

    /// An answer goes out, with a body of so many bytes. A status outside of 100 to 599 counts as 5xx.
    pub fn answered(&self, status: u16, body: u64) {
        let class = match status {
            100..600 => usize::from(status / 100 - 1),
            _ => 4,
        };
        let mine = self.counters.mine();
        mine.add(RESPONSES + class, 1);
        mine.add(RESPONSE_BYTES, body);
    }

    /// A connection ended before the answer that was waited for had come.
    pub fn abandoned(&self) {
        self.counters.mine().add(ABANDONED, 1);
    }

    /// What was counted so far.
    pub fn state(&self) -> ServerState {
        let sums = self.counters.sums();
        let mut responses = [0; 5];
        responses.copy_from_slice(&sums[RESPONSES..]);
        ServerState {
            connections_accepted: sums[ACCEPTED],
            // One may be seen to close before it is seen to open.
            connections_open: sums[ACCEPTED].saturating_sub(sums[CLOSED]),
            accept_errors: sums[ACCEPT_ERRORS],
            responses,
            response_bytes: sums[RESPONSE_BYTES],
            abandoned: sums[ABANDONED],
        }
    }
}

impl Default for ServerStats {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ServerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class() {
        let stats = ServerStats::new();
        for status in [200, 204, 301, 404, 405, 418, 500, 999] {
            stats.answered(status, 10);
        }
        assert_eq!(stats.state().responses, [0, 2, 1, 3, 2]);
        assert_eq!(stats.state().response_bytes, 80);
    }

    #[test]
    fn connections_are_open_until_they_are_closed() {
        let stats = ServerStats::new();
        stats.connection_accepted();
        stats.connection_accepted();
        stats.connection_closed();
        let state = stats.state();
        assert_eq!((state.connections_accepted, state.connections_open), (2, 1));
        stats.connection_closed();
        assert_eq!(stats.state().connections_open, 0);
    }
}
