//! One sample of a benchmark: a server is started on its cores, its answer is checked, it is loaded from other cores, and what it did and what
//! that cost is told.
//!
//! The program `bench-driver` reads an [`Order`] on standard input and prints an [`Outcome`], both as JSON. It stands beside the server, in the same
//! image and network namespace; `cargo xtask bench` starts it there once for each sample.
#![forbid(unsafe_code)]

mod answer;
mod cores;
mod descriptors;
mod http;
mod order;
mod outcome;
mod rate;
mod redis;
mod sample;
mod server;
mod usage;
mod wrk;

pub use cores::keep_to;
pub use order::{
    Ask, Beside, ConstantRate, Copy, Hosts, Load, Once, Order, Program, Protocol, RedisBenchmark, Saturate,
    TextFile,
};
pub use outcome::Outcome;
pub use redis::command as redis_benchmark_command;
pub use sample::{Unmeasured, cannot_run, take};
pub use wrk::{COLUMNS as WRK_COLUMNS, command as wrk_command};
