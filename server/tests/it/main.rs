//! Drives the real `dyn-server` over real sockets, with plugins built from source when the tests run.

mod abuse;
mod access_log;
mod admin;
mod chain;
mod change;
mod clients;
mod ctl;
mod http;
mod lab;
mod limits;
mod our_middlewares;
mod plugins;
mod readme;
mod sockets;
mod starting;
mod stopping;
mod unit;
mod workers;
