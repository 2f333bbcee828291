//! `cargo xtask doctor`: what this machine has, what it lacks for a full matrix, and the command that mends it.

mod check;
mod render;
mod survey;

use anyhow::{Result, bail};

use self::check::{Check, State};
use crate::engine::{EngineChoice, emulation};
use crate::error::Stop;
use crate::flags::DoctorFlags;
use crate::ground::Ground;

/// Looks, mends what it may if asked to, and prints what is found.
///
/// # Errors
/// Exit code 2 if the matrix cannot run at all, 3 if it can run but not all of its cells.
pub(crate) fn run(flags: &DoctorFlags, ground: &Ground) -> Result<()> {
    if flags.fix {
        fix(ground)?;
    }
    let checks = survey::survey(ground);
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&render::json(ground.choice, &checks))?);
    } else {
        print!("{}", render::text(ground.choice, &checks));
    }
    verdict(&checks)
}

/// Registers the pinned emulator machine-wide, where the chosen engine needs that.
fn fix(ground: &Ground) -> Result<()> {
    let alone = ground.choice == EngineChoice::Sandbox && survey::sandbox_emulates();
    if alone || emulation::machine_wide().is_ok() {
        eprintln!("emulation needs no mending");
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "binfmt_misc belongs to root; run `cargo xtask doctor --fix` as root, with DYNLAB_CACHE set to your cache"
        );
    }
    let emulator = ground.emulator()?;
    emulation::register_machine_wide(&emulator)?;
    eprintln!("registered {} in {} until the next boot", emulator.display(), emulation::MACHINE_WIDE);
    Ok(())
}

fn verdict(checks: &[Check]) -> Result<()> {
    let missing = |wanted: State| -> Vec<&str> {
        checks.iter().filter(|check| check.state == wanted).map(|check| check.name).collect()
    };
    let blocking = missing(State::Missing);
    if !blocking.is_empty() {
        bail!("the matrix cannot run here before this is mended: {}", blocking.join(", "));
    }
    let partial = missing(State::Partial);
    if !partial.is_empty() {
        return Err(Stop::NotRun(format!("some cells cannot run here: {}", partial.join(", "))).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let code = |states: &[State]| {
            let checks: Vec<_> = states.iter().map(|&state| Check { state, ..Check::ok("x", "") }).collect();
            verdict(&checks).err().map_or(0, |error| Stop::exit_code_of(&error))
        };
        assert_eq!(code(&[State::Ok, State::Unneeded]), 0);
        assert_eq!(code(&[State::Ok, State::Partial]), 3);
        assert_eq!(code(&[State::Partial, State::Missing]), 2);
    }
}
