//! Starts what tests talk to, such as Redis, from the lab's pinned images.
//!
//! Programs run as `cargo xtask exec` runs them: in an image, without network, dead with their parent. What they serve is
//! reached over a unix socket in a folder that both sides see; [`Relay`] puts a TCP port of loopback before it, and `TlsFront` (feature `tls`) one
//! that speaks TLS.
//!
//! With the feature `docker`, testcontainers starts the same images in a docker engine where one answers. That is a feature because it brings
//! fifty crates.
#![forbid(unsafe_code)]

#[cfg(feature = "docker")]
mod container;
mod redis;
mod relay;
mod service;
#[cfg(feature = "tls")]
mod tls_front;

pub use redis::{Redis, RedisReply};
pub use relay::Relay;
pub use service::{Missing, Service, ask_xtask, run_to_end, xtask};
#[cfg(feature = "tls")]
pub use tls_front::TlsFront;

use std::time::{Duration, Instant};

/// Waits until `condition` gives something, and gives that.
///
/// # Panics
/// If it does not within `patience`, naming what was waited for.
pub fn wait_for<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {patience:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
