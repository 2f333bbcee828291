//! What is counted while a program serves.
//!
//! Counting happens at every request, so it takes no lock, allocates nothing, and touches no memory that another thread
//! writes. Reading is for the admin side: it adds up what the threads counted, and is exact once they pause.

mod lease;
mod server;
mod sharded;

pub mod buckets;

pub use server::{ServerState, ServerStats};
pub use sharded::{Mine, Sharded};
