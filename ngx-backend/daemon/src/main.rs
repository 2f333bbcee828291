//! The program `backend`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend::run()
}
