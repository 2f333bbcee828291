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
    /// What the server needs: started before it, in this order, and no part of what it costs.
    #[serde(default)]
    pub beside: Vec<Beside>,
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

/// A program beside the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// The program.
    pub program: Program,
    /// Where it takes connections when it is ready.
    pub listens: SocketAddr,
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

/// A request and the only right answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The path of a `GET`, which is answered 200; in Redis a command.
    pub path: String,
    /// How the answer's `content-type` begins; empty in Redis.
    pub content_type: String,
    /// The answer's body; in Redis a line.
    pub body: String,
    /// What is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whom requests are for; none names the address.
    #[serde(default)]
    pub hosts: Option<Hosts>,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// Redis' own, with commands as a person types them and answers of one line.
    Redis,
}

/// Hosts that have a number in their name, of which each request takes another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hosts {
    /// What stands before the number.
    pub before: String,
    /// What stands behind it.
    pub after: String,
    /// How many there are, from 0; at most 100 million, as a number has eight digits.
    pub count: u32,
}

impl Hosts {
    /// The host of that number.
    pub fn name(&self, number: u32) -> String {
        format!("{}{number:08}{}", self.before, self.after)
    }
}

/// Numbers of hosts in an order that has no pattern and is the same each time, as the script for wrk has it.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    state: u32,
    count: u32,
}

impl Numbers {
    /// Those below `count`, from a beginning of each `thread`'s own.
    pub(crate) fn new(count: u32, thread: usize) -> Numbers {
        Numbers { state: (thread as u32).wrapping_mul(0x9e37_79b9), count }
    }

    /// The next one. A linear congruential generator, of which only the upper bits are random enough.
    pub(crate) fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.state) * u64::from(self.count)) >> 32) as u32
    }
}

/// How a server is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Load {
    /// Every connection sends its next request as soon as the last is answered: how much the server can do.
    Saturate(Saturate),
    /// Requests are due at fixed times, whatever the server does: how long clients wait.
    ConstantRate(ConstantRate),
    /// One request, for something that the server has not been asked for before, or has.
    Once(Once),
    /// Redis' own load generator.
    RedisBenchmark(RedisBenchmark),
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
    /// Whether each request has a connection of its own.
    #[serde(default)]
    pub new_connections: bool,
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

/// One request, on a connection of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Once {
    /// What is asked, beside what shows that the server is there.
    pub ask: Ask,
    /// How often the same is asked before, unmeasured.
    pub before: u32,
    /// How long an answer may take.
    pub patience_seconds: f64,
}

/// Unpipelined GETs of a key that there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisBenchmark {
    /// `redis-benchmark`.
    pub program: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its connections.
    pub connections: usize,
    /// Bytes of the value.
    pub value_bytes: usize,
    /// How many GETs it measures.
    pub requests: u32,
    /// How many it makes before, unmeasured.
    pub warm_up_requests: u32,
    /// The cores it runs on.
    pub cores: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_hosts_come_from_all_over_and_repeat() {
        let take = |thread| {
            let mut numbers = Numbers::new(1000, thread);
            (0..20_000).map(|_| numbers.next()).collect::<Vec<u32>>()
        };
        let seen: std::collections::BTreeSet<u32> = take(0).into_iter().collect();
        assert!(seen.len() > 990 && seen.iter().all(|&number| number < 1000), "{}", seen.len());
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }

    #[test]
    fn hosts_have_names_of_one_length() {
        let hosts = Hosts { before: "a-".into(), after: ".test".into(), count: 1_000_000 };
        assert_eq!(
            (hosts.name(0), hosts.name(999_999)),
            ("a-00000000.test".into(), "a-00999999.test".into())
        );
    }
}
