//! xtask from the outside: the built binary, as a user runs it.

mod bad_input;
mod container;
mod sandbox;
mod tool;
