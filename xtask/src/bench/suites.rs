//! The suites there are. A suite is a file in this folder: what it asks, whom, and what is compared.

mod call;
mod fib;
mod forker;
mod lab;
mod load;
mod ngx;
mod programs;
mod scale;
mod server;

use anyhow::Result;
use clap::ValueEnum;

use super::bed::Bed;
use super::raw::Suite;

/// A suite, as `--suite` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuiteName {
    /// Ways to call a handler, with instructions counted beside the times.
    Call,
    /// fib-demo without a cache, with one in memory and with Redis, beside `/ip` and redis-benchmark.
    Fib,
    /// Workers behind one address: a new connection for each request, and connections that stay.
    Forker,
    /// The matrix itself, of one plugin: cold, after a touch, and when nothing has changed.
    Lab,
    /// Judging and loading plugins, and Go's `plugin.Open`.
    Load,
    /// nginx that passes requests on to the upstream of their host: ours, its own `map`, Lua, and a fixed one.
    Ngx,
    /// How costs grow with plugins, with connections, and with hosts of a table.
    Scale,
    /// HTTP servers that answer the caller's address: with plugins, without, and those of others.
    Server,
}

impl SuiteName {
    /// As `--suite` takes it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Images that its subjects come from.
    pub(crate) fn peers(self) -> &'static [&'static str] {
        match self {
            SuiteName::Call => &[],
            SuiteName::Fib => fib::PEERS,
            SuiteName::Forker => forker::PEERS,
            SuiteName::Lab => &[],
            SuiteName::Load => load::PEERS,
            SuiteName::Ngx => ngx::PEERS,
            SuiteName::Scale => scale::PEERS,
            SuiteName::Server => server::PEERS,
        }
    }

    /// Takes its samples.
    pub(crate) fn measure(self, bed: &Bed<'_>) -> Result<Suite> {
        match self {
            SuiteName::Call => call::suite(bed)?.measure(bed),
            SuiteName::Fib => fib::measure(bed),
            SuiteName::Forker => forker::suite(bed)?.measure(bed),
            SuiteName::Lab => lab::measure(bed),
            SuiteName::Load => load::suite(bed)?.measure(bed),
            SuiteName::Ngx => ngx::measure(bed),
            SuiteName::Scale => scale::measure(bed),
            SuiteName::Server => server::suite(bed)?.measure(bed),
        }
    }
}
