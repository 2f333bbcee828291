//! Judges from the bytes of a dynamic nginx module and of an nginx whether the one loads in the other, and says why not.
//!
//! nginx loads a module with `dlopen(RTLD_NOW | RTLD_GLOBAL)`, looks for its list `ngx_modules` and the names beside it,
//! and compares two fields of each module with what was compiled into itself: the version, and a *signature*, which says with which
//! flags `configure` ran (`ngx_load_module` in nginx's src/core/nginx.c, `ngx_add_module` in src/core/ngx_module.c). All of that
//! is in the bytes of both files: an nginx that loads modules exports the list of its own.
//!
//! What the dynamic loader would say is [`plugin_compat`]'s part. Like there nothing is executed, and no input makes it panic.
//!
//! ```no_run
//! use nginx_compat::{Listing, Module, judge};
//! use plugin_compat::{ElfFacts, HostReader};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let nginx = std::fs::read("/usr/sbin/nginx")?;
//! let listing = Listing::parse(&nginx)?;
//! let mut host = HostReader::open("/".as_ref(), "here", ElfFacts::parse(&nginx)?)?;
//! let module = Module::parse(&std::fs::read("modules/ngx_http_set_backend_module.so")?)?;
//! for reason in judge(&module, &listing, host.learn(&module.elf)) {
//!     println!("{}: {}", reason.code, reason.text);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod code;
mod judge;
mod listing;
mod loaded;
mod signature;

pub use code::{Code, Reason};
pub use judge::{Module, judge, judge_unreadable};
pub use listing::{Listed, Listing, ListingError};
