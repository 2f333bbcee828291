//! The thread that talks to the daemon, connects, and connects again.

use crate::connection::{self, End};
use crate::desk::Desk;
use crate::settings::Checked;
use plugin_sdk::{Error, Level, Logger};
use rustix::event::{PollFd, PollFlags};
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The pause after the first failed attempt to connect; it doubles with each further one. The daemon is on the same machine, and few ask it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// How long creation waits for the first attempt.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);

/// Starts the thread and waits until its first attempt has ended one way or the other, so that a daemon that is there is asked from the first
/// call on.
///
/// # Errors
/// The system has no thread or no descriptor left.
pub(crate) fn start(settings: Checked, log: Logger) -> Result<(Arc<Desk>, JoinHandle<()>), Error> {
    let desk = Arc::new(Desk::new(settings.keep, settings.most_questions)?);
    let (first, told) = sync_channel(1);
    let its_desk = Arc::clone(&desk);
    let thread = thread::Builder::new()
        .name("socket-resolver".to_owned())
        .spawn(move || run(&its_desk, &settings, &log, &first))?;
    // Whoever is late is asked later.
    let _ = told.recv_timeout(FIRST_ATTEMPT);
    Ok((desk, thread))
}

fn run(desk: &Desk, settings: &Checked, log: &Logger, first: &SyncSender<()>) {
    let mut failed = 0;
    let mut told = String::new();
    loop {
        let mut connected = false;
        let end = match connection::open(&settings.path) {
            Ok(stream) => connection::serve(desk, settings, stream, || {
                connected = true;
                desk.open();
                log.log(Level::Info, format_args!("connected to the daemon at {}", settings.path.display()));
                let _ = first.try_send(());
            }),
            Err(reason) => End::Lost(reason),
        };
        let End::Lost(reason) = end else { return };
        desk.lose(&reason, Instant::now());
        failed = if connected { 0 } else { failed + 1 };
        // Each reason once, until there was a connection in between.
        if connected || reason != told {
            log.log(Level::Warn, format_args!("{reason}; trying again until it works"));
            told = reason;
        }
        let _ = first.try_send(());
        if pause(desk, pause_after(failed, settings.longest_pause)) {
            return;
        }
    }
}

/// Waits, and says whether the instance ends.
fn pause(desk: &Desk, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while !desk.has_ended() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if connection::wait(&mut [PollFd::new(desk.bell(), PollFlags::IN)], Some(left)).is_err() {
            thread::sleep(left);
        }
        desk.silence();
    }
    true
}

fn pause_after(failed: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failed.min(20)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let longest = Duration::from_millis(100);
        let pauses: Vec<u128> =
            [0, 1, 2, 3, 4, 1_000].iter().map(|failed| pause_after(*failed, longest).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 100, 100]);
    }
}
