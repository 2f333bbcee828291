//! The static twin from the outside: it does what the dynamic server does, byte for byte, without a file of a plugin.

mod lab;
mod twins;
