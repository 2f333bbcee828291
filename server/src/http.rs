//! HTTP: listening sockets, connections, limits, and the way of a request to the plugins and back.

mod listen;
mod service;

pub(crate) use listen::{bind, serve};
pub(crate) use service::Service;
