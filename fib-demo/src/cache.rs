//! The cache as requests see it: it has a number or it does not, and is never the reason why there is none.

mod breaker;
mod clerk;
mod load;
mod report;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_host::{CacheInstance, CallError, PluginIdentity, Reply};
use tokio::time::timeout_at;

use crate::fibonacci::Index;
use crate::stats::{CacheEvent, CacheStats};
use breaker::Breaker;
use clerk::Clerk;
pub(crate) use load::TRIAL;
pub use load::{CacheError, CachePlugin, Loaded, load};
use report::Reporter;

/// A cache plugin, or none. A call that fails or takes too long is counted, logged, and no error for anybody; after several
/// of them in a row the cache is left alone for a while.
pub struct Cache {
    // Before the plugin, as it waits for the last answers.
    clerk: Option<Clerk>,
    shared: Option<Arc<Shared>>,
    stats: Arc<CacheStats>,
}

/// How a cache is used.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a number stays in it.
    pub expiration: Duration,
    /// How long it is waited for.
    pub timeout: Duration,
}

/// What a cache has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The number.
    Hit(u64),
    /// There is none, or the cache did not say.
    Nothing,
}

/// An answer of the cache, here already or to be waited for.
pub(crate) enum LookUp {
    /// It is here.
    Here(Found),
    /// It is on its way.
    Later(Pending),
}

/// An answer that is on its way. May be dropped.
pub(crate) struct Pending {
    shared: Arc<Shared>,
    n: Index,
    reply: Reply<Got>,
    deadline: Instant,
}

type Got = Result<Option<Vec<u8>>, CallError>;

/// What the calls of one plugin have in common.
struct Shared {
    instance: CacheInstance,
    identity: PluginIdentity,
    keys: Vec<String>,
    terms: Terms,
    breaker: Breaker,
    reporter: Reporter,
    stats: Arc<CacheStats>,
}

/// Keys are `fib:v1:40`: apart from what else is in a shared store, and from what a later version may put there.
const KEY_PREFIX: &str = "fib:v1:";

impl Cache {
    /// The cache that never has anything.
    pub fn none() -> Self {
        Self { clerk: None, shared: None, stats: Arc::new(CacheStats::new()) }
    }

    /// The cache that this plugin is.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn new(loaded: Loaded, terms: Terms) -> io::Result<Self> {
        let stats = Arc::new(CacheStats::new());
        let shared = Arc::new(Shared {
            instance: loaded.instance,
            identity: loaded.identity,
            keys: Index::all().map(|n| format!("{KEY_PREFIX}{n}")).collect(),
            terms,
            breaker: Breaker::new(Instant::now()),
            reporter: Reporter::new(Instant::now()),
            stats: Arc::clone(&stats),
        });
        let clerk = Clerk::start(Arc::clone(&shared))?;
        Ok(Self { clerk: Some(clerk), shared: Some(shared), stats })
    }

    /// Asks for a number. Does not block.
    pub(crate) fn look_up(&self, n: Index) -> LookUp {
        let Some(shared) = &self.shared else { return LookUp::Here(Found::Nothing) };
        // The time is asked for only where something has to be waited for.
        if !shared.breaker.admits() {
            shared.stats.count(CacheEvent::Skipped);
            tracing::debug!(n = n.get(), "the cache is left alone for the moment");
            return LookUp::Here(Found::Nothing);
        }
        match shared.instance.get(shared.key(n)).now() {
            Ok(got) => LookUp::Here(shared.found(n, got)),
            Err(reply) => {
                let deadline = Instant::now() + shared.terms.timeout;
                LookUp::Later(Pending { shared: Arc::clone(shared), n, reply, deadline })
            }
        }
    }

    /// Puts a number there, for a look-up that begins after this call to find. Does not block: what becomes of it is watched
    /// by another thread.
    pub(crate) fn store(&self, n: Index, value: u64) {
        let (Some(shared), Some(clerk)) = (&self.shared, &self.clerk) else { return };
        if !shared.breaker.admits() {
            shared.stats.count(CacheEvent::Skipped);
            return;
        }
        let reply =
            shared.instance.set(shared.key(n), value.to_string().as_bytes(), Some(shared.terms.expiration));
        match reply.now() {
            Ok(outcome) => shared.stored(n, outcome),
            Err(reply) => clerk.watch(n, reply, Instant::now() + shared.terms.timeout),
        }
    }

    /// The plugin, if there is one.
    pub fn identity(&self) -> Option<&PluginIdentity> {
        self.shared.as_ref().map(|shared| &shared.identity)
    }

    /// Whether the plugin says that it can do its work, and what it lacks if not. Well without a plugin.
    ///
    /// # Errors
    /// The plugin's reason.
    pub fn health(&self) -> Result<(), CallError> {
        self.shared.as_ref().map_or(Ok(()), |shared| shared.instance.health())
    }

    /// What became of the calls.
    pub(crate) fn stats(&self) -> &CacheStats {
        &self.stats
    }
}

impl Pending {
    /// Waits for the answer, at most the cache's time-out. Inside a runtime of tokio with time.
    pub(crate) async fn found(self) -> Found {
        let Self { shared, n, reply, deadline } = self;
        match timeout_at(deadline.into(), reply).await {
            Ok(got) => shared.found(n, got),
            Err(_) => {
                shared.timed_out("get", n);
                Found::Nothing
            }
        }
    }
}

impl Shared {
    fn key(&self, n: Index) -> &[u8] {
        self.keys[usize::from(n.get())].as_bytes()
    }

    fn found(&self, n: Index, got: Got) -> Found {
        match got {
            Ok(Some(value)) => {
                self.succeeded();
                match read(&value) {
                    Some(value) => {
                        self.stats.count(CacheEvent::Hit);
                        tracing::debug!(n = n.get(), "found in the cache");
                        Found::Hit(value)
                    }
                    None => {
                        self.stats.count(CacheEvent::Garbled);
                        let value = String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned();
                        self.reporter.garbled(n, &value);
                        Found::Nothing
                    }
                }
            }
            Ok(None) => {
                self.succeeded();
                self.stats.count(CacheEvent::Miss);
                tracing::debug!(n = n.get(), "not in the cache");
                Found::Nothing
            }
            Err(error) => {
                self.failed("get", n, &error);
                Found::Nothing
            }
        }
    }

    fn stored(&self, n: Index, outcome: Result<(), CallError>) {
        match outcome {
            Ok(()) => {
                self.succeeded();
                self.stats.count(CacheEvent::Stored);
                let expiration_ms = self.terms.expiration.as_millis();
                tracing::debug!(n = n.get(), expiration_ms, "put into the cache");
            }
            Err(error) => self.failed("set", n, &error),
        }
    }

    fn succeeded(&self) {
        if let Some(failures) = self.breaker.succeeded() {
            self.reporter.recovered(failures);
        }
    }

    fn failed(&self, call: &'static str, n: Index, error: &CallError) {
        self.stats.count(CacheEvent::Failed);
        self.breaker.failed();
        self.reporter.failed(call, n, error);
    }

    fn timed_out(&self, call: &'static str, n: Index) {
        self.stats.count(CacheEvent::TimedOut);
        self.breaker.failed();
        self.reporter.failed(call, n, &format_args!("no answer within {:?}", self.terms.timeout));
    }
}

/// A number as it is written here. Anything else was put there by somebody else.
fn read(value: &[u8]) -> Option<u64> {
    let canonical = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    std::str::from_utf8(value).ok().filter(|_| canonical)?.parse().ok()
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("plugin", &self.identity()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_read() {
        let cases: [(&[u8], Option<u64>); 12] = [
            (b"0", Some(0)),
            (b"102334155", Some(102_334_155)),
            (b"12200160415121876738", Some(12_200_160_415_121_876_738)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"00", None),
            (b"+1", None),
            (b"-1", None),
            (b" 1", None),
            (b"1\n", None),
            (b"1.0", None),
            (b"\xff", None),
        ];
        for (value, expected) in cases {
            assert_eq!(read(value), expected, "{value:?}");
        }
    }
}
