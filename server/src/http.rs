//! HTTP: listening sockets, connections, limits, and the way of a request to the plugins and back.

mod descriptors;
mod sockets;
mod workers;

mod connection;
mod progress;
mod stream;

mod access_log;
mod caller;
mod response;
mod screen;
mod service;

pub(crate) use service::Service;
pub(crate) use sockets::bind;
pub(crate) use workers::serve;
