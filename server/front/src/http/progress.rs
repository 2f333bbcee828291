//! How far a connection has come, and until when it may take to come further.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a connection may take for its next step.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLimits {
    /// For a whole head, from its first byte on, or for the first one from the connection's begin on.
    pub(super) head: Duration,
    /// For the first byte of the next head, after an answer.
    pub(super) idle: Duration,
    /// For the client to take some more of an answer, after it took none.
    pub(super) write: Duration,
}

/// How long a client that was refused in the middle of a request may go on sending before it is cut off. As long as it is
/// listened to it can still read why it was refused; a socket closed with bytes unread resets the connection.
const LINGER: Duration = Duration::from_secs(2);

/// Written by the connection's stream and by its service, read by whoever watches the time. All three belong to one task.
#[derive(Debug)]
pub(super) struct Progress {
    phase: Cell<Phase>,
    /// When the phase began; looked up only when somebody wants to know, as most heads come whole.
    since: Cell<Option<Instant>>,
    /// When the client ceased to take what is to be written, if it has.
    write_blocked_since: Cell<Option<Instant>>,
    body_unread: Cell<bool>,
    /// Whether bytes are held back that hyper has written.
    holds_back: Cell<bool>,
    flush_demanded: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head is on its way.
    Head,
    /// The service has a request, and watches the time of its body itself.
    Request,
    /// The service works on an answer that is of no use once the client has gone.
    Awaited,
    /// The service has answered, and the connection has not asked for more since.
    Answer,
    /// Nothing of a next request has come.
    Idle,
    /// All is said, and the client still sends.
    Lingering,
}

/// What a connection took too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Idle,
    Write,
    Linger,
}

impl Progress {
    /// Of a connection that begins now.
    pub(super) fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Head),
            since: Cell::new(None),
            write_blocked_since: Cell::new(None),
            body_unread: Cell::new(false),
            holds_back: Cell::new(false),
            flush_demanded: Cell::new(false),
        }
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        if matches!(self.phase.get(), Phase::Idle | Phase::Answer) {
            self.enter(Phase::Head);
        }
    }

    /// Bytes are waited for.
    pub(super) fn waits_for_bytes(&self) {
        if self.phase.get() == Phase::Answer {
            self.enter(Phase::Idle);
        }
    }

    /// The client takes no more at the moment.
    pub(super) fn write_blocked(&self) {
        if self.write_blocked_since.get().is_none() {
            self.write_blocked_since.set(Some(Instant::now()));
        }
    }

    /// The client took something.
    pub(super) fn written(&self) {
        if self.write_blocked_since.take().is_some() && self.phase.get() == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }

    /// Bytes that hyper has written are held back, or are no more.
    pub(super) fn held_back(&self, holds_back: bool) {
        self.holds_back.set(holds_back);
        if !holds_back {
            self.flush_demanded.set(false);
        }
    }

    /// Whether bytes are held back.
    pub(super) fn holds_back(&self) -> bool {
        self.holds_back.get()
    }

    /// Whether bytes may be held back: right behind an answer, because then hyper looks for a next request.
    pub(super) fn may_hold_back(&self) -> bool {
        self.phase.get() == Phase::Answer && !self.flush_demanded.get()
    }

    /// Nothing more happens by itself. Gives whether bytes were held back, which from now on they may not be.
    pub(super) fn demand_flush(&self) -> bool {
        self.holds_back.get() && !self.flush_demanded.replace(true)
    }

    /// A head is complete; the service has the request.
    pub(super) fn request_begins(&self) {
        self.phase.set(Phase::Request);
    }

    /// The service has all of the request, and its answer is of no use once the client has gone.
    pub(super) fn answer_is_awaited(&self) {
        self.phase.set(Phase::Awaited);
    }

    /// Whether somebody has to see that the client goes.
    pub(super) fn watches_client(&self) -> bool {
        self.phase.get() == Phase::Awaited
    }

    /// The service leaves the rest of the body where it is.
    pub(super) fn body_left_unread(&self) {
        self.body_unread.set(true);
    }

    /// The service has answered.
    pub(super) fn answered(&self) {
        self.phase.set(Phase::Answer);
    }

    /// The last byte was written; gives whether the client may still be sending.
    pub(super) fn all_written(&self) -> bool {
        let lingers = self.phase.get() == Phase::Head || self.body_unread.get();
        if lingers {
            self.enter(Phase::Lingering);
        }
        lingers
    }

    /// Until when the next step has to come, and what it is; none as long as the service works. To be asked whenever nothing
    /// more happens by itself, for the time begins with that.
    pub(super) fn deadline(&self, limits: &TimeLimits) -> Option<(Instant, Overdue)> {
        if let Some(since) = self.write_blocked_since.get() {
            return Some((since + limits.write, Overdue::Write));
        }
        let (span, step) = match self.phase.get() {
            Phase::Head => (limits.head, Overdue::Head),
            Phase::Idle => (limits.idle, Overdue::Idle),
            Phase::Lingering => (LINGER, Overdue::Linger),
            Phase::Request | Phase::Awaited | Phase::Answer => return None,
        };
        let since = self.since.get().unwrap_or_else(|| {
            let now = Instant::now();
            self.since.set(Some(now));
            now
        });
        Some((since + span, step))
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TimeLimits = TimeLimits {
        head: Duration::from_secs(1),
        idle: Duration::from_secs(2),
        write: Duration::from_secs(3),
    };

    fn overdue(progress: &Progress) -> Option<Overdue> {
        progress.deadline(&LIMITS).map(|(_, step)| step)
    }

    #[test]
    fn each_phase_waits_for_its_own_step() {
        let progress = Progress::new();
        assert_eq!(overdue(&progress), Some(Overdue::Head), "a connection that says nothing");
        progress.waits_for_bytes();
        progress.received();
        assert_eq!(overdue(&progress), Some(Overdue::Head));
        progress.request_begins();
        progress.waits_for_bytes();
        assert_eq!(overdue(&progress), None, "the service watches the body");
        progress.answered();
        progress.waits_for_bytes();
        assert_eq!(overdue(&progress), Some(Overdue::Idle));
        progress.received();
        assert_eq!(overdue(&progress), Some(Overdue::Head));
    }

    #[test]
    fn a_head_has_no_more_time_for_each_byte() {
        let progress = Progress::new();
        let first = progress.deadline(&LIMITS);
        progress.received();
        progress.received();
        assert_eq!(progress.deadline(&LIMITS), first);
    }

    #[test]
    fn a_client_that_takes_nothing_is_watched_in_every_phase() {
        let progress = Progress::new();
        progress.request_begins();
        progress.answered();
        progress.write_blocked();
        let first = progress.deadline(&LIMITS);
        assert_eq!(overdue(&progress), Some(Overdue::Write));
        progress.write_blocked();
        assert_eq!(progress.deadline(&LIMITS), first, "still the same wait");
        progress.written();
        assert_eq!(overdue(&progress), None);
    }

    #[test]
    fn only_right_behind_an_answer_bytes_are_held_back() {
        let progress = Progress::new();
        assert!(!progress.may_hold_back(), "hyper refuses the head");
        progress.request_begins();
        assert!(!progress.may_hold_back(), "the service takes its time");
        assert!(!progress.demand_flush(), "there is nothing to flush");
        progress.answered();
        progress.held_back(true);
        assert!(progress.may_hold_back());
        assert!(progress.demand_flush());
        assert!(!progress.may_hold_back());
        assert!(!progress.demand_flush(), "once is enough");
        progress.held_back(false);
        assert!(progress.may_hold_back());
    }

    #[test]
    fn only_clients_that_may_be_sending_are_listened_to_at_the_end() {
        let answered = Progress::new();
        answered.request_begins();
        answered.answered();
        assert!(!answered.all_written());

        let unread = Progress::new();
        unread.request_begins();
        unread.body_left_unread();
        unread.answered();
        assert!(unread.all_written());
        assert_eq!(overdue(&unread), Some(Overdue::Linger));

        let refused_in_the_head = Progress::new();
        assert!(refused_in_the_head.all_written());
    }
}
