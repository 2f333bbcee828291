//! Loading a plugin in another process first: what a constructor does to its process cannot be known before it runs.
//!
//! A constructor, or `accept`, that crashes, hangs or exits does so in that process. What comes later, when an instance is
//! made and called, is not tried: it may have effects that nobody wants twice.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use plugin_compat::ElfFacts;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::candidate::identity;
use crate::environment::HostEnvironment;
use crate::image::Image;
use crate::plugin::{Origin, Plugin};
use crate::sealed::SealedCopy;

/// A process that loads a plugin. Killed when dropped.
#[derive(Debug)]
pub struct Trial {
    path: PathBuf,
    child: Child,
    deadline: Instant,
    patience: Duration,
}

/// How a process that loaded a plugin ended, if not well. A plugin that is refused there without harm is no such error: it
/// will be refused here as well, with its reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// A signal ended it.
    #[error("{} crashes when it is loaded; a process that tried it was ended by {status}", path.display())]
    Crashed {
        /// The plugin's file.
        path: PathBuf,
        /// Its status, which names the signal.
        status: ExitStatus,
    },
    /// It ended itself.
    #[error("{} ends the process that loads it ({status}); a process that tried it was ended by that", path.display())]
    Exited {
        /// The plugin's file.
        path: PathBuf,
        /// Its status.
        status: ExitStatus,
    },
    /// It did not come to an end.
    #[error("{} was not loaded within {patience:?}; a process that tried it was killed then", path.display())]
    Hung {
        /// The plugin's file.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// It could not be watched.
    #[error("cannot wait for the process that tries {}", path.display())]
    Wait {
        /// The plugin's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl TrialError {
    /// The stable code of this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Crashed { .. } => "trial.crashed",
            Self::Exited { .. } => "trial.exited",
            Self::Hung { .. } => "trial.hung",
            Self::Wait { .. } => "trial.failed",
        }
    }
}

/// What the process says when it has come through: the last thing it writes.
const SURVIVED: &[u8] = b"dynlab: survived";

impl Trial {
    pub(crate) fn start(
        path: &Path,
        copy: &SealedCopy,
        program: &mut Command,
        host: &HostEnvironment,
        patience: Duration,
    ) -> io::Result<Self> {
        let labels = host.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let child = program
            .arg(&host.libc_version)
            .args(labels)
            .stdin(Stdio::from(copy.duplicate()?))
            .stdout(Stdio::piped())
            // Whatever it complains about, the plugin's own refusal says it better.
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { path: path.to_owned(), child, deadline: Instant::now() + patience, patience })
    }

    /// Waits for its end, at most the patience it was started with.
    ///
    /// # Errors
    /// [`TrialError`]: the plugin must not be loaded then.
    pub fn wait(mut self) -> Result<(), TrialError> {
        let wait = |path: &Path, source: io::Error| TrialError::Wait { path: path.to_owned(), source };
        let said = self.read_all().map_err(|source| wait(&self.path, source))?;
        let Some(said) = said else {
            return Err(TrialError::Hung { path: self.path.clone(), patience: self.patience });
        };
        let status = self.child.wait().map_err(|source| wait(&self.path, source))?;
        if status.signal().is_some() {
            return Err(TrialError::Crashed { path: self.path.clone(), status });
        }
        if said.ends_with(SURVIVED) {
            return Ok(());
        }
        Err(TrialError::Exited { path: self.path.clone(), status })
    }

    /// What it writes until it ends; `None` if it does not in time.
    fn read_all(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(stdout) = self.child.stdout.as_mut() else { return Ok(Some(Vec::new())) };
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&stdout.as_fd(), PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match stdout.read(&mut buffer)? {
                0 => return Ok(Some(said)),
                read => {
                    // Only the end matters, whatever a plugin prints.
                    said.extend_from_slice(&buffer[..read]);
                    said.drain(..said.len().saturating_sub(SURVIVED.len()));
                }
            }
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended, and then both say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other side: loads the plugin on standard input and ends the process. Call it first thing in a program that was started
/// for a [`Trial`], with the arguments that were added to its command.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ! {
    // An error is a refusal, and those are told where the plugin is really loaded.
    let _ = load(arguments);
    let mut stdout = io::stdout();
    let told = stdout.write_all(SURVIVED).and_then(|()| stdout.flush()).is_ok();
    // SAFETY: ends the process. Destructors of the plugin are not to run: the process that loads it never runs them either
    // before its own end.
    unsafe { libc::_exit(i32::from(!told)) }
}

fn load(mut arguments: impl Iterator<Item = OsString>) -> Option<()> {
    // A crash here is an answer; nobody wants its memory on disk.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Should the other process be gone, nobody waits for the answer.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let libc_version = arguments.next()?.into_string().ok()?;
    let labels = arguments.filter_map(|label| {
        let label = label.into_string().ok()?;
        let (key, value) = label.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    });
    let host = HostEnvironment::gather(labels.collect(), libc_version);
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let facts = ElfFacts::parse(&bytes).ok()?;
    let note = facts.note.identity()?;
    // SAFETY: the process that started this one has judged the bytes.
    let image = unsafe { Image::map("trial", &bytes) }.ok()?;
    // SAFETY: as above; the note is that of the mapped bytes.
    let plugin = unsafe { Plugin::in_image(&image, &identity(note), Origin::Linked) }.ok()?;
    plugin.accept(&host).ok()
}
