//! What authors of native plugins use: one safe trait per kind and one macro that exports the plugin.
//!
//! ```
//! #![forbid(unsafe_code)]
//! use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};
//!
//! struct Hello;
//!
//! impl Plugin for Hello {
//!     fn create(_setup: &Setup<'_>) -> Result<Hello, Error> {
//!         Ok(Hello)
//!     }
//! }
//!
//! impl Handler for Hello {
//!     const ROUTE: &'static str = "/hello";
//!     const METHODS: &'static [Method] = &[Method::GET];
//!
//!     fn handle(&self, _request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
//!         response.write(b"Hello\n")
//!     }
//! }
//!
//! plugin_sdk::export_plugin! { name: "hello", handler: Hello }
//! # fn main() {}
//! ```
//!
//! Built as a `cdylib` this is a plugin file; built as an `rlib` the same crate offers `PLUGIN`, through which a program
//! uses it without loading anything, by the same tables.
//!
//! Every function that the host calls catches panics and turns them into an error for that call, with the panic's
//! message; nothing unwinds into the host. With `panic = "abort"` that is not possible: the note then says so, and hosts
//! refuse the plugin unless they are told to allow it.
//!
//! Unsafe code lives here so that no plugin needs any: the exported functions take raw pointers from the host.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

mod error;
mod guard;
mod host;
mod plugin;
mod vary;

mod cache;
mod handler;
mod middleware;
mod resolver;
mod showcase;

#[doc(hidden)]
pub mod export;

pub use cache::{Acknowledgement, Cache, Lookup};
pub use error::Error;
pub use handler::{Handler, Method, Request, Response};
pub use host::HostFacts;
pub use middleware::{Answer, AnswerEdit, Flow, Middleware, RequestEdit};
pub use plugin::{Level, Logger, Plugin, Setup};
pub use plugin_abi as abi;
pub use plugin_abi::Address;
pub use resolver::{Outcome, Query, Resolution, Resolver, Ticket, Upstream, Waker};
pub use showcase::Showcase;

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
