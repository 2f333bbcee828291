//! xtask from the outside: the built binary, as a user runs it.

mod bad_input;
mod container;
mod inspect;
mod repro;
mod sandbox;
mod tool;
