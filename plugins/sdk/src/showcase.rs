//! Showcases: plugins that exist to show versions and acceptability.

use crate::{Error, Plugin};

/// A plugin that describes itself.
pub trait Showcase: Plugin {
    /// Describes the instance in one line.
    ///
    /// # Errors
    /// If it cannot.
    fn describe(&self) -> Result<String, Error>;
}
