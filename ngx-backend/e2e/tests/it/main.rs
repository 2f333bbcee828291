//! The nginx module in Debian's nginx, with a resolver that does what a script says.

mod balanced;
mod chain;
mod configuration;
mod emulated;
mod hosts;
mod missing;
mod processes;
mod protocols;
mod variable;
mod waiting;
mod with_daemon;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backend_e2e::{Edition, Nginx, Setup};

/// Most that a test waits for something that should come soon, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `test` with every nginx that runs on this machine.
fn with_each(setup: &Setup, test: impl Fn(&Nginx)) {
    for edition in Edition::NATIVE {
        match Nginx::start(edition, setup) {
            Ok(nginx) => {
                eprintln!("{edition}");
                test(&nginx);
                nginx.assert_healthy();
            }
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

/// Ends what runs until then, also where a test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The lines of `text` that have `part`.
fn lines_with<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part)).collect()
}
