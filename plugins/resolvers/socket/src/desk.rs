//! Where questions wait for their answers. Shared by those who ask and the thread that talks to the daemon.

use backend_map::{Host, Upstreams};
use plugin_sdk::abi::Status;
use plugin_sdk::{Error, Waker};
use rustix::event::{eventfd, EventfdFlags};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What became of a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Upstreams(Arc<Upstreams>),
    NotKnown,
    Failed(Status, Arc<str>),
}

#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Readable when the thread has something to do.
    bell: OwnedFd,
    keep: Duration,
    most: usize,
}

#[derive(Debug)]
struct State {
    /// Answers, and until when they count.
    answers: HashMap<String, (Outcome, Instant)>,
    /// Open questions, and who is to be woken.
    open: HashMap<String, Vec<Waker>>,
    /// Those that were not sent yet.
    unsent: Vec<Host>,
    /// Why the daemon cannot be asked.
    away: Option<Arc<str>>,
    ended: bool,
}

impl Desk {
    pub(crate) fn new(keep: Duration, most: usize) -> rustix::io::Result<Desk> {
        let state = State {
            answers: HashMap::new(),
            open: HashMap::new(),
            unsent: Vec::new(),
            away: Some("the daemon was not asked yet".into()),
            ended: false,
        };
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Desk { state: Mutex::new(state), bell, keep, most })
    }

    /// The answer to a question that was asked before, if it still counts.
    pub(crate) fn known(&self, host: &Host, now: Instant) -> Option<Outcome> {
        let state = self.state();
        let (outcome, until) = state.answers.get(host.as_str())?;
        (now < *until).then(|| outcome.clone())
    }

    /// Asks, and has the waker wake when there is an answer.
    ///
    /// # Errors
    /// The daemon is away, or too many questions are open.
    pub(crate) fn ask(&self, host: Host, waker: Option<Waker>) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(reason) = &state.away {
            let error = Error::unavailable(&**reason);
            drop(state);
            // A waker wakes when it is dropped, and whom it wakes may ask at once: not under the lock.
            return Err(error);
        }
        if let Some(wakers) = state.open.get_mut(host.as_str()) {
            wakers.extend(waker);
            return Ok(());
        }
        if state.open.len() >= self.most {
            drop(state);
            let most = self.most;
            return Err(Error::with_status(
                Status::LIMIT_EXCEEDED,
                format!("{most} questions wait for the daemon already, as many as the setting most-questions allows"),
            ));
        }
        state.open.insert(host.as_str().to_owned(), waker.into_iter().collect());
        state.unsent.push(host);
        let first = state.unsent.len() == 1;
        drop(state);
        if first {
            self.ring();
        }
        Ok(())
    }

    /// The questions that are to be sent.
    pub(crate) fn take_unsent(&self) -> Vec<Host> {
        std::mem::take(&mut self.state().unsent)
    }

    /// Notes an answer and wakes who waits for it.
    pub(crate) fn answer(&self, host: &Host, outcome: Outcome, now: Instant) {
        let mut state = self.state();
        let wakers = state.open.remove(host.as_str());
        self.note(&mut state, host.as_str().to_owned(), outcome, now);
        drop(state);
        drop(wakers);
    }

    /// Questions are taken from now on.
    pub(crate) fn open(&self) {
        self.state().away = None;
    }

    /// No questions are taken from now on, and the open ones have failed.
    pub(crate) fn lose(&self, reason: &str, now: Instant) {
        let reason: Arc<str> = reason.into();
        let mut state = self.state();
        state.away = Some(Arc::clone(&reason));
        state.unsent.clear();
        let open = std::mem::take(&mut state.open);
        for host in open.keys() {
            let outcome = Outcome::Failed(Status::UNAVAILABLE, Arc::clone(&reason));
            self.note(&mut state, host.clone(), outcome, now);
        }
        drop(state);
        drop(open);
    }

    /// # Errors
    /// Why the daemon cannot be asked.
    pub(crate) fn health(&self) -> Result<(), Error> {
        match &self.state().away {
            None => Ok(()),
            Some(reason) => Err(Error::unavailable(&**reason)),
        }
    }

    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.ring();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// The descriptor that becomes readable.
    pub(crate) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    pub(crate) fn silence(&self) {
        // An eventfd gives 8 bytes and is not readable then; see eventfd(2).
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    fn ring(&self) {
        // It fails only when it was rung 2^64 times, and then it is readable.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Keeps as many answers as there may be questions; expired ones make room first.
    fn note(&self, state: &mut State, host: String, outcome: Outcome, now: Instant) {
        if state.answers.len() >= self.most {
            state.answers.retain(|_, (_, until)| now < *until);
        }
        if state.answers.len() >= self.most {
            // Whoever asks for those again is answered again.
            state.answers.clear();
        }
        state.answers.insert(host, (outcome, now + self.keep));
    }

    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_is_sent_however_often_it_is_asked_and_answers_count_for_their_time() {
        let desk = Desk::new(Duration::from_millis(50), 2).unwrap();
        let host = |text: &str| Host::parse(text.as_bytes()).unwrap();
        assert_eq!(desk.ask(host("a"), None).unwrap_err().status(), Status::UNAVAILABLE);
        desk.open();
        desk.health().unwrap();
        desk.ask(host("a"), None).unwrap();
        desk.ask(host("a"), None).unwrap();
        desk.ask(host("b"), None).unwrap();
        assert_eq!(desk.ask(host("c"), None).unwrap_err().status(), Status::LIMIT_EXCEEDED);
        assert_eq!(desk.take_unsent(), [host("a"), host("b")]);
        let now = Instant::now();
        assert_eq!(desk.known(&host("a"), now), None);
        desk.answer(&host("a"), Outcome::NotKnown, now);
        assert_eq!(desk.known(&host("a"), now + Duration::from_millis(49)), Some(Outcome::NotKnown));
        assert_eq!(desk.known(&host("a"), now + Duration::from_millis(50)), None);
        desk.lose("it is gone", now);
        assert_eq!(
            desk.known(&host("b"), now),
            Some(Outcome::Failed(Status::UNAVAILABLE, "it is gone".into()))
        );
        assert_eq!(desk.health().unwrap_err().message(), "it is gone");
    }
}
