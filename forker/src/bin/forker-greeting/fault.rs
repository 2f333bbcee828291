//! Faults on purpose, to see what a master does.

use std::path::Path;

/// What goes wrong with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    ExitAtBoot,
    HangAtBoot,
    ExitWhenReady,
    StuckLoop,
    NeverFinish,
}

/// The word in the file, if there is one.
pub(crate) fn fault(file: Option<&Path>) -> Result<Fault, String> {
    let Some(word) = file.and_then(|file| std::fs::read_to_string(file).ok()) else { return Ok(Fault::None) };
    match word.trim() {
        "" => Ok(Fault::None),
        "exit-at-boot" => Ok(Fault::ExitAtBoot),
        "hang-at-boot" => Ok(Fault::HangAtBoot),
        "exit-when-ready" => Ok(Fault::ExitWhenReady),
        "stuck-loop" => Ok(Fault::StuckLoop),
        "never-finish" => Ok(Fault::NeverFinish),
        other => Err(format!("`{other}` is no fault that this program can have")),
    }
}
