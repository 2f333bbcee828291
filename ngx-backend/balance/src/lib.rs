//! Chooses among the upstreams of a host: by weight, and leaving out for a while those that failed.
//!
//! Pure: time is passed in, nothing is read or written. Used by one thread.
#![forbid(unsafe_code)]

mod health;
mod wheel;

pub use health::{Health, Rules};
pub use wheel::Wheel;
