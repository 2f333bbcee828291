//! Prefork for servers: a master that starts, watches, reloads and stops one worker process a core.
#![allow(
    unsafe_code,
    reason = "prepares a child between fork and exec, and sets socket options that no safe crate has"
)]

pub mod socket;
