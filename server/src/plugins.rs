//! The plugins of the server: found, judged, loaded, and changed while it runs.
//!
//! One thread, that of [`deployment`], decides and changes; requests and the admin side only look. What requests look at is
//! one table, replaced whole.

mod control;
mod deployment;
mod files;
mod installed;
mod shelf;
mod state;
mod table;
mod watch;

pub(crate) use control::{Control, ControlError};
pub(crate) use deployment::{Deployment, Leave, OnChange};
pub(crate) use installed::Installed;
pub(crate) use shelf::TRIAL;
pub(crate) use state::{CallsState, Family, PluginState, PluginsState, RefusedState, Standing, VersionState};
pub(crate) use table::{Handler, Middleware, Table};
