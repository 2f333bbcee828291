//! What is counted of the plugins while the server runs.

mod calls;

pub(crate) use calls::{Calls, Outcome};
