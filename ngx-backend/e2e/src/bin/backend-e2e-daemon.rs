//! The daemon, as `backend` itself starts it: a program of this package, so that its tests find the one that belongs to them.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend::run()
}
