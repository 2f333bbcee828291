//! What is to be measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The server.
    pub server: Program,
    /// What it is asked.
    pub ask: Ask,
    /// How it is loaded.
    pub load: Load,
}

/// How a server is started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Program and arguments; stays in the foreground, and ends on SIGTERM.
    pub argv: Vec<String>,
    /// The complete environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files that are written before, for their owner alone to change.
    #[serde(default)]
    pub texts: Vec<TextFile>,
    /// Files that are copied before, for their owner alone to change.
    #[serde(default)]
    pub copies: Vec<Copy>,
    /// The cores that all its threads run on; none leaves it those that the driver has.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// Seconds from its start within which it has to answer.
    pub patience_seconds: f64,
}

/// A file with this content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// Where.
    pub path: String,
    /// What.
    pub text: String,
}

/// A copy of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// What is copied.
    pub from: String,
    /// Where to; folders on the way are made.
    pub to: String,
}

/// A `GET` and the only right answer to it, which has status 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The path.
    pub path: String,
    /// How the answer's `content-type` begins.
    pub content_type: String,
    /// The answer's body.
    pub body: String,
}

/// How a server is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Load {
    /// Every connection sends its next request as soon as the last is answered: how much the server can do.
    Saturate(Saturate),
    /// Requests are due at fixed times, whatever the server does: how long clients wait.
    ConstantRate(ConstantRate),
}

/// By wrk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saturate {
    /// The program.
    pub wrk: String,
    /// A Lua script that prints one line of JSON when wrk is done; see `containers/bench-tools/report.lua`.
    pub script: String,
    /// Its threads.
    pub threads: usize,
    /// Its connections, of all threads together.
    pub connections: usize,
    /// How long it measures.
    pub seconds: u32,
    /// How long it runs before, unmeasured; 0 leaves that out.
    pub warm_up_seconds: u32,
    /// The cores it runs on.
    pub cores: Vec<usize>,
}

/// By this program itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantRate {
    /// Requests a second, of all connections together.
    pub per_second: f64,
    /// Connections, at least one for each thread.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
    /// How long it measures.
    pub seconds: f64,
    /// How long it runs before, unmeasured.
    pub warm_up_seconds: f64,
    /// The cores it runs on.
    pub cores: Vec<usize>,
}
