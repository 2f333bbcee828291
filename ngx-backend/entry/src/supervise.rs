//! What process 1 does about what happens. Pure: events and the time since the start go in, actions come out.
//!
//! The daemon comes first, since nginx without a table would answer that no host is known. From then on nginx is what counts: it
//! goes on while the daemon is away, and the container ends when it ends.

use std::time::Duration;

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Daemon,
    Nginx,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(u8),
    Signal(u8),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The daemon answers, and there is a table.
    Ready,
    Ended(Who, Exit),
    /// Somebody wants it to end.
    Stop,
    /// Somebody wants nginx to read its configuration again.
    Reload,
    /// Nothing but time.
    Passed,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start(Who),
    /// Finish what is under way, and end.
    Drain(Who),
    /// End now.
    Terminate(Who),
    Kill(Who),
    ReloadNginx,
    /// This is the exit status.
    End(u8),
}

/// Between the end of a daemon and the start of the next: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One that ran that long has not failed at its start.
const STEADY: Duration = Duration::from_secs(30);
/// What a program gets that was told to end now.
const PATIENCE: Duration = Duration::from_secs(15);

/// Exit status where the program gave none that says what went wrong.
const FAILED: u8 = 1;

/// The state of both.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// What nginx gets to drain.
    deadline: Duration,
    phase: Phase,
    daemon: Daemon,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The daemon has not been ready yet.
    Starting,
    Serving,
    /// nginx ends; at that time it is told so once more, in stronger words.
    Draining {
        until: Duration,
        told: bool,
    },
    /// nginx has ended, and the daemon is to; at that time it is killed.
    Ending {
        status: u8,
        until: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Daemon {
    Up {
        since: Duration,
    },
    /// Until it is started again, if it is.
    Down {
        again: Option<Duration>,
    },
}

impl Exit {
    /// As a shell gives it.
    pub(crate) fn status(self) -> u8 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }
}

impl Supervisor {
    /// Begins with the start of the daemon.
    pub(crate) fn new(deadline: Duration) -> (Supervisor, Vec<Action>) {
        let daemon = Daemon::Up { since: Duration::ZERO };
        let supervisor = Supervisor { deadline, phase: Phase::Starting, daemon, pause: FIRST_PAUSE };
        (supervisor, vec![Action::Start(Who::Daemon)])
    }

    /// Whether the daemon has to be asked if it is ready.
    pub(crate) fn awaits_daemon(&self) -> bool {
        self.phase == Phase::Starting
    }

    /// When time itself is an event, at the latest.
    pub(crate) fn wakes(&self) -> Option<Duration> {
        match (self.phase, self.daemon) {
            (Phase::Draining { until, .. } | Phase::Ending { until, .. }, _) => Some(until),
            (Phase::Serving, Daemon::Down { again }) => again,
            _ => None,
        }
    }

    /// What is to be done, at that time, about that event.
    pub(crate) fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        match (event, self.phase) {
            (Event::Ready, Phase::Starting) => {
                self.phase = Phase::Serving;
                vec![Action::Start(Who::Nginx)]
            }
            (Event::Ended(Who::Daemon, exit), _) => self.daemon_ended(exit, now),
            (Event::Ended(Who::Nginx, exit), _) => self.end(exit.status(), now),
            (Event::Stop, Phase::Starting) => self.end(0, now),
            (Event::Stop, Phase::Serving) => {
                self.phase = Phase::Draining { until: now + self.deadline, told: false };
                vec![Action::Drain(Who::Nginx)]
            }
            // Whoever says it twice does not want to wait.
            (Event::Stop, Phase::Draining { told: false, .. }) => self.terminate_nginx(now),
            (Event::Reload, Phase::Serving) => vec![Action::ReloadNginx],
            (Event::Passed, _) => self.passed(now),
            _ => Vec::new(),
        }
    }

    fn passed(&mut self, now: Duration) -> Vec<Action> {
        match (self.phase, self.daemon) {
            (Phase::Serving, Daemon::Down { again: Some(again) }) if again <= now => {
                self.daemon = Daemon::Up { since: now };
                vec![Action::Start(Who::Daemon)]
            }
            (Phase::Draining { until, told }, _) if until <= now => {
                if told {
                    self.phase = Phase::Draining { until: now + PATIENCE, told };
                    vec![Action::Kill(Who::Nginx)]
                } else {
                    self.terminate_nginx(now)
                }
            }
            (Phase::Ending { until, status }, _) if until <= now => {
                self.phase = Phase::Ending { until: now + PATIENCE, status };
                vec![Action::Kill(Who::Daemon)]
            }
            _ => Vec::new(),
        }
    }

    fn terminate_nginx(&mut self, now: Duration) -> Vec<Action> {
        self.phase = Phase::Draining { until: now + PATIENCE, told: true };
        vec![Action::Terminate(Who::Nginx)]
    }

    fn daemon_ended(&mut self, exit: Exit, now: Duration) -> Vec<Action> {
        let Daemon::Up { since } = self.daemon else { return Vec::new() };
        self.daemon = Daemon::Down { again: None };
        match self.phase {
            // What cannot start now cannot start later: a wrong flag, a store that is damaged.
            Phase::Starting => vec![Action::End(exit.status().max(FAILED))],
            Phase::Ending { status, .. } => vec![Action::End(status)],
            Phase::Draining { .. } => Vec::new(),
            Phase::Serving => {
                if now.saturating_sub(since) >= STEADY {
                    self.pause = FIRST_PAUSE;
                }
                self.daemon = Daemon::Down { again: Some(now + self.pause) };
                self.pause = (2 * self.pause).min(LONGEST_PAUSE);
                Vec::new()
            }
        }
    }

    /// There is no nginx; the daemon is to go, too.
    fn end(&mut self, status: u8, now: Duration) -> Vec<Action> {
        self.phase = Phase::Ending { status, until: now + PATIENCE };
        match self.daemon {
            Daemon::Up { .. } => vec![Action::Drain(Who::Daemon)],
            Daemon::Down { .. } => vec![Action::End(status)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Drain, End, Kill, ReloadNginx, Start, Terminate};
    use Event::{Ended, Passed, Ready, Reload, Stop};
    use Who::{Daemon, Nginx};

    const KILLED: Exit = Exit::Signal(9);

    /// Each turn: milliseconds since the start, what happens, what is done about it.
    #[track_caller]
    fn check(turns: &[(u64, Event, &[Action])]) -> Supervisor {
        let (mut supervisor, first) = Supervisor::new(Duration::from_secs(8));
        assert_eq!(first, [Start(Daemon)]);
        for (at, event, expected) in turns {
            let actions = supervisor.on(*event, Duration::from_millis(*at));
            assert_eq!(actions, *expected, "{event:?} at {at}: {supervisor:?}");
        }
        supervisor
    }

    #[test]
    fn nginx_waits_for_the_daemon_and_ends_before_it() {
        let done = Exit::Code(0);
        check(&[
            (50, Passed, &[]),
            (60, Ready, &[Start(Nginx)]),
            (70, Reload, &[ReloadNginx]),
            (80, Stop, &[Drain(Nginx)]),
            (90, Reload, &[]),
            (95, Ended(Nginx, done), &[Drain(Daemon)]),
            (99, Ended(Daemon, done), &[End(0)]),
        ]);
    }

    #[test]
    fn a_daemon_that_cannot_start_ends_it_all() {
        check(&[(10, Ended(Daemon, Exit::Code(2)), &[End(2)])]);
        check(&[(10, Ended(Daemon, Exit::Code(0)), &[End(1)])]);
        check(&[(10, Ended(Daemon, KILLED), &[End(137)])]);
        check(&[(10, Stop, &[Drain(Daemon)]), (20, Ended(Daemon, Exit::Code(0)), &[End(0)])]);
    }

    #[test]
    fn a_daemon_that_dies_is_started_again_ever_later() {
        let ends: &[Action] = &[];
        let again: &[Action] = &[Start(Daemon)];
        let mut turns = vec![(0, Ready, &[Start(Nginx)] as &[Action])];
        let (mut now, mut pause) = (1_000, 100);
        for _ in 0..9 {
            turns.extend([
                (now, Ended(Daemon, KILLED), ends),
                (now + pause - 1, Passed, ends),
                (now + pause, Passed, again),
            ]);
            now += pause + 1_000;
            pause = (2 * pause).min(10_000);
        }
        let supervisor = check(&turns);
        assert_eq!((pause, supervisor.wakes()), (10_000, None));
        // One that had run for a while is started again soon.
        turns.extend([(now + 40_000, Ended(Daemon, KILLED), ends), (now + 40_100, Passed, again)]);
        check(&turns);
    }

    #[test]
    fn nginx_s_end_is_the_end() {
        check(&[
            (0, Ready, &[Start(Nginx)]),
            (10, Ended(Nginx, Exit::Code(1)), &[Drain(Daemon)]),
            (20, Stop, &[]),
            (15_010, Passed, &[Kill(Daemon)]),
            (15_020, Ended(Daemon, KILLED), &[End(1)]),
        ]);
        let without_daemon = [
            (0, Ready, &[Start(Nginx)] as &[Action]),
            (10, Ended(Daemon, KILLED), &[]),
            (20, Ended(Nginx, Exit::Signal(11)), &[End(139)]),
        ];
        check(&without_daemon);
    }

    #[test]
    fn a_drain_has_an_end() {
        let begin = [(0, Ready, &[Start(Nginx)] as &[Action]), (100, Stop, &[Drain(Nginx)])];
        let mut turns = begin.to_vec();
        turns.extend([
            (8_099, Passed, &[] as &[Action]),
            (8_100, Passed, &[Terminate(Nginx)]),
            (8_200, Stop, &[]),
            (23_100, Passed, &[Kill(Nginx)]),
            (23_110, Ended(Daemon, KILLED), &[]),
            (23_120, Ended(Nginx, KILLED), &[End(137)]),
        ]);
        check(&turns);
        let mut impatient = begin.to_vec();
        impatient.push((200, Stop, &[Terminate(Nginx)]));
        assert_eq!(check(&impatient).wakes(), Some(Duration::from_millis(15_200)));
    }
}
