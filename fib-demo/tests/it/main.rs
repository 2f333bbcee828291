//! The engine with plugins that are part of this test, and the program with plugins and a Redis that are not.

mod engine;
#[path = "../../examples/moody.rs"]
mod moody;
