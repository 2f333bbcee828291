//! The plugins of the server: found, judged, loaded, and changed while it runs.

mod load_all;
#[allow(dead_code, unused_imports, reason = "the admin side will show it")]
mod state;

pub(crate) use load_all::{Handler, load_all};
#[allow(unused_imports, reason = "the admin side will show it")]
pub(crate) use state::{CallsState, Family, PluginState, PluginsState, RefusedState, Standing, VersionState};
