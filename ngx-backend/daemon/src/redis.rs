//! The map in Redis, for several nodes: each changes it there, follows all changes into a copy of its own, and publishes that.
//!
//! Under the prefix are two keys. `entries` is a hash: the key of a pattern, and its upstreams as [`backend_map::wire`] writes them. `changes`
//! is a stream that the last changes are recorded in, each under its place in the order of all (see [`crate::store::Position`]). Scripts write both
//! at once, so that no change is lost and all nodes see them in one order.

mod decide;
mod follow;
mod records;
mod refill;
mod scan;
mod session;
mod settings;
mod state;
mod write;

pub(crate) use follow::Follower;
pub(crate) use settings::Settings;
pub(crate) use state::State;
pub(crate) use write::Writing;
