//! `dyn-serverctl`: shows and changes the plugins of a running server.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run_ctl()
}
