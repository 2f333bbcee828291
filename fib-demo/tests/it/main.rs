//! The engine with plugins that are part of this test, and the program with plugins and a Redis that are not.

mod answers;
mod caching;
mod cancelling;
mod engine;
mod lab;
mod readme;
mod redis;
mod starting;
mod stopping;
