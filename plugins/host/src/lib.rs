//! Loads native plugins: exactly the bytes that were judged, versions kept, faults counted.
#![allow(unsafe_code, reason = "the only crate that dlopens and calls through foreign function tables")]

mod call;
mod digest;
mod entry;
mod environment;
mod image;
mod instance;
mod load;
mod plugin;
mod registry;
mod sealed;
mod trust;

mod http;

mod cache;
mod handler;
mod middleware;
mod reply;
mod resolver;
mod showcase;

pub use cache::CacheInstance;
pub use call::CallError;
pub use digest::{AllowList, NotADigest, Sha256Digest};
pub use entry::EntryError;
pub use environment::HostEnvironment;
pub use handler::HandlerInstance;
pub use http::{HttpVersion, Request, RequestEdit, RequestHeaders, Response};
pub use image::{Image, MapError};
pub use instance::{CreateError, LogFunction, LogLevel, Settings};
pub use load::{Admission, Host, LoadError, load};
pub use middleware::{Before, MiddlewareInstance, Ticket};
pub use plugin::{Origin, Plugin, PluginIdentity};
pub use registry::{FaultPolicy, Registry, RegistryEvent, Slot};
pub use reply::Reply;
pub use resolver::{Outcome, Resolved, ResolverInstance, Upstream, UpstreamAddress, Wake};
pub use sealed::SealedCopy;
pub use showcase::ShowcaseInstance;
pub use trust::{Distrust, open_trusted};
