//! Starts Debian's nginx with our module in pinned images, and speaks HTTP with it.
//!
//! nginx runs in a network of its own, where every port is free. It listens on a unix socket in a folder that both sides see;
//! upstreams are servers of the same nginx, or sockets in that folder behind which a test listens itself.
#![forbid(unsafe_code)]

mod client;
mod http2;
mod nginx;
mod processes;
mod upstream;

pub use client::Answer;
pub use http2::Streamed;
pub use nginx::{Edition, Nginx, Setup};
pub use processes::{Process, processes_of};
pub use upstream::Upstream;
