//! HTTP: listening sockets, connections, limits, and the way of a request to the application and back.

mod heartbeat;
mod listeners;
mod sockets;
mod workers;

mod connection;
mod progress;
mod stream;

mod access_log;
mod caller;
mod screen;
mod service;

pub use listeners::Listeners;
pub use sockets::bind;
pub use workers::serve;
