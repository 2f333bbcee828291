//! Files that are generated and committed must be what their sources give.

use anyhow::Result;

use crate::ground::Ground;
use crate::{bench, codegen, images, inspect, matrix};

/// Checks every generated file that can be checked without running the lab.
///
/// # Errors
/// [`crate::error::Stop::Disagreement`] naming the file and the command that renews it.
pub(crate) fn check(ground: &Ground) -> Result<()> {
    codegen::run(true)?;
    images::check_locks(&ground.images)?;
    bench::check(&ground.repository)?;
    inspect::check_committed(ground)?;
    matrix::check_rendering(&ground.repository)
}
