//! Plugins of several crates in one program.

mod twins;
