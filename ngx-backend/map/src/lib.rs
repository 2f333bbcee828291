//! Host names, their upstreams, and the table of them that processes share through files.
//!
//! One process publishes ([`Publisher`]), any number read ([`Reader`]) without a system call, but for one look at the folder each second. What
//! the files hold is described at [`table`].
#![deny(unsafe_code)]

mod control;
mod entry;
mod host;
mod mapping;
mod pattern;
mod publish;
mod reader;
pub mod table;
mod tables;
mod upstream;
pub mod wire;

pub use control::ControlError;
pub use entry::{Entry, Upstreams, UpstreamsError, MOST_UPSTREAMS};
pub use host::{Host, HostError, LONGEST_HOST};
pub use pattern::Pattern;
pub use publish::{Access, BaseWriter, Change, NewBase, PublishError, Published, Publisher};
pub use reader::{Event, ReadError, Reader};
pub use tables::{LoadError, Tables};
pub use upstream::{AddressError, Upstream, UpstreamAddress, LONGEST_SOCKET_PATH};
