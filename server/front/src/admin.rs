//! The admin side of a program: what operators see and order, over HTTP, on a listener of its own.
//!
//! It has a thread and a runtime to itself, so that it answers however busy the program is, and until the very end: the program
//! stops it after its last connection is closed. It asks nobody who they are, so it listens only where its owner alone, or this machine,
//! comes in.

mod address;
mod answer;
mod browsers;
mod serve;
mod socket;

pub use address::{AdminAddress, RuntimeFolders};
pub use answer::{ErrorAnswer, Refusal, allow, json, respond};
pub use serve::{Admin, Operated, start, take_over};
