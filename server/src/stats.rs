//! What is counted while the server runs: the calls of each version of a plugin, and the server's connections and answers.
//!
//! Counting happens at every request, so it takes no lock, allocates nothing, and touches no memory that another thread
//! writes. Reading is for the admin side: it adds up what the threads counted, and is exact once they pause.

mod buckets;
mod calls;
mod lease;
mod server;
mod sharded;

pub(crate) use buckets::coarse_bounds;
pub(crate) use calls::{Calls, Outcome};
pub(crate) use server::{ServerState, ServerStats};
