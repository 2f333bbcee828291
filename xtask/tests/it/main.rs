//! xtask from the outside: the built binary, as a user runs it.

mod sandbox;
mod tool;
