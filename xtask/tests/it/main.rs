//! xtask from the outside: the built binary, as a user runs it.

mod container;
mod sandbox;
mod tool;
