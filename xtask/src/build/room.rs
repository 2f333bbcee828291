//! An image with folders mounted, in which build commands run.

use anyhow::{Result, bail};

use super::DEADLINE;
use crate::engine::{Engine, Exit, Job, Mount};
use crate::image::Image;

/// Variables of every build command.
pub(super) const BASE: [(&str, &str); 4] =
    [("PATH", "/opt/dynlab/bin:/usr/bin:/bin"), ("HOME", "/tmp"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];

/// An image with folders mounted, in which build commands run one after another.
pub(crate) struct Room<'a> {
    /// Runs the commands.
    pub(crate) engine: &'a dyn Engine,
    /// Holds the compilers.
    pub(crate) image: &'a Image,
    /// Sources, crates and the folder that takes the output.
    pub(crate) mounts: Vec<Mount>,
    /// Where commands start, inside the image.
    pub(crate) cwd: &'a str,
}

impl Room<'_> {
    /// Runs one command and gives what it printed on stdout.
    ///
    /// # Errors
    /// The command line and the end of its output, when it ends with anything but 0.
    pub(crate) fn run(
        &self,
        argv: &[String],
        env: Vec<(String, String)>,
        on_stdout_line: Option<&(dyn Fn(&str) + Sync)>,
    ) -> Result<Vec<u8>> {
        let base = BASE.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
        let finished = self.engine.run(&Job {
            image: self.image,
            argv: argv.iter().map(Into::into).collect(),
            env: base.chain(env).map(|(name, value)| (name, value.into())).collect(),
            cwd: self.cwd.to_owned(),
            mounts: self.mounts.clone(),
            stdin: Vec::new(),
            deadline: DEADLINE,
            on_stdout_line,
        })?;
        match finished.exit {
            Exit::Code(0) => Ok(finished.stdout),
            ref exit => bail!(
                "`{}` in {} of image {} ended with {exit}:\n{}",
                argv.join(" "),
                self.cwd,
                self.image.name,
                crate::process::tail(&finished.stdout, &finished.stderr)
            ),
        }
    }
}
