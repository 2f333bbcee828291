//! The program `fib-demo`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    fib_demo::run()
}
