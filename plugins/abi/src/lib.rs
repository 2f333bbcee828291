//! The contract between a host and a native plugin.
//!
//! Everything that crosses the boundary is declared here: `#[repr(C)]` structures of fixed layout, function tables that
//! begin with their own size, and the ELF note that tells who a plugin is without running it. The crate is `no_std`, has
//! no dependencies and builds with rustc 1.63, so that neither side is forced onto the other's toolchain. `SPEC.md`
//! beside this crate is the specification; where code and specification differ, the code is wrong.
//!
//! Four rules hold for every function in every table:
//!
//! - **Memory.** What one side allocates, the same side frees. A view ([`Text`], [`Bytes`], an array of them) is borrowed
//!   for the duration of the call that passes it, unless its field says otherwise. Whoever needs it longer copies it.
//! - **Unwinding.** Nothing unwinds across the boundary, in either direction. A panic or exception becomes a [`Status`].
//! - **Threads.** Functions of an instance may be called from any thread and by several threads at once, except `create`
//!   (once, before all others) and `destroy` (once, after all others have returned).
//! - **Text** is UTF-8. The receiver checks it; bytes that are not UTF-8 are an error, never undefined behaviour.
//!
//! Unsafe code lives here because the types are made of raw pointers: this is the place where they become slices.
#![no_std]
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(test)]
extern crate std;

pub mod note;

pub mod descriptor;
pub mod kind;
pub mod status;
pub mod version;

pub mod sized;
pub mod view;

pub mod create;
pub mod host_info;

pub mod address;
pub mod http;

pub mod cache;
pub mod handler;
pub mod middleware;
pub mod resolver;
pub mod showcase;

mod layout;

pub use address::Address;
pub use cache::{CacheTable, Completion};
pub use create::{CreateArgs, LogSink};
pub use descriptor::{Factory, PluginDescriptor, StaticPlugin};
pub use handler::{HandlerTable, ResponseSink};
pub use host_info::{HostInfo, Label};
pub use http::{Header, Request};
pub use kind::Kind;
pub use middleware::{MiddlewareTable, RequestEdit, ResponseEdit, ResponseView};
pub use note::{Identity, Note, NoteError};
pub use resolver::{ResolverTable, Upstream, UpstreamSink, Waker};
pub use showcase::ShowcaseTable;
pub use sized::{SizeError, SizeFirst};
pub use status::Status;
pub use version::{ABI_MAJOR, ABI_MINOR};
pub use view::{Bytes, Text, TextSink, ViewError};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
