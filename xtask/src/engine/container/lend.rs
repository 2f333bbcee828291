//! The docker engine for a program that starts containers of its own from images of ours.

use std::ffi::OsString;

use anyhow::{Context, Result};

use super::cli::Program;
use super::{Container, arguments, owner};
use crate::engine::{Engine as _, Mount, Unavailable};
use crate::image::Image;

/// A docker engine that answers.
pub(crate) struct Loan {
    container: Container,
    owner: String,
}

/// The machine's engine.
///
/// # Errors
/// [`Unavailable`] where none answers, with what starts one.
pub(crate) fn lend() -> Result<Loan> {
    let container = Container::new(Program::Docker);
    if let Err(unavailable) = container.facts() {
        return Err(Unavailable { reason: unavailable.reason.clone(), cure: CURE.to_owned() }.into());
    }
    Ok(Loan { container, owner: owner() })
}

const CURE: &str = "start one, or as root put `cargo xtask with-docker --` before the command, which installs docker.io and starts it";

impl Loan {
    /// Gives the engine `image`, unless it has it.
    ///
    /// # Errors
    /// Its programs do not run here, or it does not come out as it should.
    pub(crate) fn load(&self, image: &Image) -> Result<()> {
        self.container.check(image.arch)?;
        self.container.load(image)
    }

    /// Whether root in a container is this user outside.
    pub(crate) fn is_rootless(&self) -> bool {
        self.container.facts().is_ok_and(|facts| facts.rootless)
    }

    /// Options of `docker run` that give its containers no network, a fresh `/tmp`, `mounts` and `variables`, and mark them as this process's.
    ///
    /// # Errors
    /// A mount whose source is not there; anything that is not UTF-8.
    pub(crate) fn options(&self, mounts: &[Mount], variables: &[(String, String)]) -> Result<Vec<String>> {
        let mut words: Vec<OsString> = vec![
            "--network=none".into(),
            "--pull=never".into(),
            arguments::TMP.into(),
            format!("--label={}={}", arguments::OWNER_LABEL, self.owner).into(),
        ];
        for mount in mounts {
            words.extend(["--mount".into(), arguments::describe(mount)?]);
        }
        words.extend(variables.iter().map(|(name, value)| format!("--env={name}={value}").into()));
        let text = |word: OsString| word.into_string().ok().context("docker takes no path that is not UTF-8");
        words.into_iter().map(text).collect()
    }

    /// Removes the containers with that mark, which a program that was killed has left behind.
    pub(crate) fn tidy_up(&self) {
        self.container.remove_owned_by(&self.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_get_no_network_and_are_found_again() {
        let loan = Loan { container: Container::new(Program::Docker), owner: "pid:[1]/2/3".to_owned() };
        let mount = Mount::read_only("/", "/vendor");
        let options = loan.options(&[mount], &[("HOME".to_owned(), "/tmp".to_owned())]).unwrap();
        let expected = [
            "--network=none",
            "--pull=never",
            arguments::TMP,
            "--label=dynlab.owner=pid:[1]/2/3",
            "--mount",
            "type=bind,source=/,target=/vendor,readonly",
            "--env=HOME=/tmp",
        ];
        assert_eq!(options, expected);
    }
}
