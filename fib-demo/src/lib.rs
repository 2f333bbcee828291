//! Fibonacci numbers over HTTP, slow on purpose, and a cache for them that is chosen when the program starts: none, or a
//! plugin.
//!
//! [`Engine`] gives numbers, from the cache or from a computation; it knows nothing of HTTP.

mod cache;
mod compute;
mod engine;
mod fibonacci;
mod flight;
mod stats;

pub use cache::{Cache, CacheError, CachePlugin, Loaded, TRIAL, Terms, load};
pub use compute::cores;
pub use engine::{Answer, Engine, Refusal};
pub use fibonacci::{Index, NotAnIndex};
pub use stats::{CacheState, ComputeState, Durations, bounds};
