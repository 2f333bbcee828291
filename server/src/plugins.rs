//! The plugins of the server: found, judged, loaded, and changed while it runs.

mod load_all;

pub(crate) use load_all::{Handler, load_all};
