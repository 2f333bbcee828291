//! What a master decides: events and the time go in, actions come out. Nothing here starts, kills or waits.

mod changing;
mod dying;
mod machine;
mod policy;
mod reloading;
mod stopping;
mod words;

pub(crate) use machine::{Seen, Supervisor};
pub use policy::Policy;
pub(crate) use words::{Action, Ending, Event, Note, Stage, WorkerId};
pub use words::{Cause, Death};

#[cfg(test)]
mod any_order;
#[cfg(test)]
mod tests;
