#![doc = include_str!("../README.md")]

mod application;
mod client_address;
mod error;
mod http;
mod settings;
mod shutdown;

pub mod admin;
pub mod descriptors;
pub mod metrics;
pub mod stats;
pub mod value;

pub use application::{Application, IntoResponse, Reply, Request, Response, WholeRequest};
pub use client_address::{ForwardedField, TrustedProxies};
pub use error::{FrontError, SocketError};
pub use http::{Listeners, bind, serve};
pub use hyper::StatusCode;
pub use server_log as log;
pub use settings::{ClientGone, Heartbeat, Settings};
pub use shutdown::{Reason, Stop, Stopper, listen_for_signals, stopper};
pub use stats::{ServerState, ServerStats};
