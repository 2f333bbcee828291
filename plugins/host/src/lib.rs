//! Loads native plugins: exactly the bytes that were judged, versions kept, faults counted.
//!
//! ```no_run
//! use plugin_host::{Admission, FaultPolicy, HandlerInstance, Host, Kind, Registry, Settings, load};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::of_this_process([("rack".to_owned(), "a1".to_owned())].into())?;
//! let admission = Admission { kind: Some(Kind::Handler), ..Admission::default() };
//! let plugin = load(&host, &admission, "plugins/handlers/ip.so".as_ref())?;
//! let instance = HandlerInstance::create(&plugin, host.environment(), &Settings::default())?;
//!
//! let registry = Registry::new(FaultPolicy::default(), |event| eprintln!("{event}"));
//! let identity = plugin.identity();
//! let slot = registry.publish(&identity.name, identity.version.clone(), instance);
//! slot.call(|handler| handler.health())?;
//! # Ok(())
//! # }
//! ```
//!
//! What a plugin file goes through, and what stops it, is the text of [`load()`]. Three promises:
//!
//! - **None of a plugin's code runs before it was judged**, and what runs is what was judged: the bytes are
//!   read once, and mapped from a sealed copy in memory. See [`SealedCopy`].
//! - **Nothing is ever unloaded.** A new version is a new image beside the old one, rollback swaps a pointer
//!   back. See [`Image`] and [`Registry`].
//! - **What a plugin gives is checked** before a host sees it: texts, views, header fields, status codes,
//!   addresses. A failure or a panic is an error of that one call. What a plugin does with its own process
//!   is another matter: it is native code, and can end or corrupt it. Load after `fork`, never before, as
//!   threads that a plugin starts do not live on in a child.
#![allow(unsafe_code, reason = "the only crate that dlopens and calls through foreign function tables")]

mod call;
mod candidate;
mod digest;
mod entry;
mod environment;
mod image;
mod instance;
mod load;
#[cfg(feature = "tracing")]
mod log;
mod plugin;
mod registry;
mod sealed;
mod slot;
pub mod trial;
mod trust;

mod http;

mod cache;
mod handler;
mod middleware;
mod reply;
mod resolver;
mod showcase;

pub use plugin_abi::{Kind, StaticPlugin, Status};

pub use cache::CacheInstance;
pub use call::CallError;
pub use candidate::{Candidate, Judged};
pub use digest::{AllowList, NotADigest, Sha256Digest};
pub use entry::EntryError;
pub use environment::HostEnvironment;
pub use handler::HandlerInstance;
pub use http::{HttpVersion, Request, RequestEdit, RequestHeaders, Response};
pub use image::{Image, MapError};
pub use instance::{CreateError, LogFunction, LogLevel, Settings};
pub use load::{Admission, Host, LoadError, load};
#[cfg(feature = "tracing")]
pub use log::log_to_tracing;
pub use middleware::{Before, MiddlewareInstance, Ticket};
pub use plugin::{Origin, Plugin, PluginIdentity};
pub use registry::{FaultPolicy, Registry, RegistryEvent};
pub use reply::Reply;
pub use resolver::{Outcome, Resolution, Resolved, ResolverInstance, Upstream, UpstreamAddress, Wake, Wakes};
pub use sealed::SealedCopy;
pub use showcase::ShowcaseInstance;
pub use slot::{Current, NoOtherVersion, Slot, Standing};
pub use trust::{Distrust, open_trusted};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
