//! Starts Debian's nginx with our module in pinned images, and the daemon beside it, and speaks HTTP with them.
//!
//! nginx runs in a network of its own, where every port is free. It listens on a unix socket in a folder that both sides see;
//! upstreams are servers of the same nginx, or sockets in that folder behind which a test listens itself.
#![forbid(unsafe_code)]

mod client;
mod daemon;
mod http2;
mod nginx;
mod processes;
mod upstream;

pub use client::{Answer, Connection, Lasting};
pub use daemon::Daemon;
pub use http2::Streamed;
pub use nginx::{Edition, Nginx, Setup};
pub use processes::{Process, processes_of};
pub use upstream::Upstream;
