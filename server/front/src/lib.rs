//! The HTTP side of a program: connections, limits, logs, numbers and the admin listener, for whatever answers the requests.
//!
//! [`serve`] serves an [`Application`] at the listeners that [`bind`] gives, until it is told to [`Stop`].

mod application;
mod client_address;
mod error;
mod http;
mod settings;
mod shutdown;

pub mod admin;
pub mod log;
pub mod metrics;
pub mod stats;
pub mod value;

pub use application::{Application, IntoResponse, Reply, Request, Response, WholeRequest};
pub use client_address::{ForwardedField, TrustedProxies};
pub use error::{FrontError, SocketError};
pub use http::{bind, serve};
pub use settings::{ClientGone, Heartbeat, Settings};
pub use shutdown::{Reason, Stop, Stopper, listen_for_signals, stopper};
pub use stats::{ServerState, ServerStats};
