//! Drives the real `dyn-server` over real sockets, with plugins built from source when the tests run.

mod chain;
mod change;
mod http;
mod lab;
mod limits;
mod plugins;
mod starting;
mod stopping;
