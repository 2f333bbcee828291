//! Starts a scenario's server inside a host image, in a sandbox of its own, and has its client drive it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::observe::{DIST, START_SECONDS};
use super::scenario_cell::Driven;
use crate::engine::{Engine, Exit, Job, Mount};
use crate::image::Image;

/// Wall-clock time that a server may use for a step. One that works uses less than a second for all, emulated.
const STEP_SECONDS: u32 = 30;
/// More steps than a client takes.
const STEPS: u64 = 16;

/// A file below `dist/`.
#[derive(Clone)]
pub(crate) struct DistFile<'a> {
    /// Relative to `dist/`.
    pub(crate) path: String,
    /// Of its content.
    pub(crate) sha256: &'a str,
}

/// A scenario in a host: everything that takes part.
pub(crate) struct Cast<'a> {
    /// The host's image.
    pub(crate) image: &'a Image,
    /// The program that starts the server and asks it.
    pub(crate) client: DistFile<'a>,
    /// The program that is started.
    pub(crate) server: DistFile<'a>,
    /// What lies in its plugin root, each with its folder there.
    pub(crate) plugins: Vec<(&'static str, DistFile<'a>)>,
    /// What lies there beside them.
    pub(crate) beside: Vec<(&'static str, DistFile<'a>)>,
}

impl Cast<'_> {
    /// What scenarios of one host have in common; the key of what is remembered of them.
    pub(crate) fn place(engine: &dyn Engine, image: &Image, emulated: bool) -> String {
        format!("scenarios\n{}\n{}\n{emulated}\n{STEP_SECONDS}", engine.name(), image.digest)
    }

    /// The key of what is remembered of it there.
    pub(crate) fn key(&self) -> String {
        let mut key = format!("{} {}", self.client.sha256, self.server.sha256);
        for (flag, files) in self.files() {
            for (folder, file) in files {
                // The name of the file, too, as the server sees it.
                key.push_str(&format!(" {flag} {folder} {} {}", file.path, file.sha256));
            }
        }
        key
    }

    fn argv(&self) -> Vec<String> {
        let inside = |file: &DistFile<'_>| format!("{DIST}/{}", file.path);
        let mut argv = vec![
            inside(&self.client),
            "--server".to_owned(),
            inside(&self.server),
            "--patience-seconds".to_owned(),
            STEP_SECONDS.to_string(),
        ];
        for (flag, files) in self.files() {
            for (folder, file) in files {
                argv.extend([flag.to_owned(), format!("{folder}={}", inside(file))]);
            }
        }
        argv
    }

    fn files(&self) -> [(&'static str, &[(&'static str, DistFile<'_>)]); 2] {
        [("--plugin", &self.plugins), ("--beside", &self.beside)]
    }
}

/// Drives the server of `cast`.
///
/// # Errors
/// The client itself cannot be run, or says nothing. A server that crashes or hangs is an answer.
pub(crate) fn drive(engine: &dyn Engine, cast: &Cast<'_>, dist: &Path) -> Result<Driven> {
    let argv = cast.argv();
    let finished = engine.run(&Job {
        env: vec![("LC_ALL".to_owned(), "C".into())],
        mounts: vec![Mount { source: dist.to_owned(), target: DIST.to_owned(), writable: false }],
        deadline: Duration::from_secs(START_SECONDS + STEPS * u64::from(STEP_SECONDS)),
        ..Job::new(cast.image, &argv)
    })?;
    let ended = || {
        let (exit, image) = (finished.exit, &cast.image.name);
        let printed = crate::process::tail(&finished.stdout, &finished.stderr);
        format!("`{}` in image {image} ended with {exit} and no answer:\n{printed}", argv.join(" "))
    };
    match finished.exit {
        Exit::Code(0) => serde_json::from_slice(&finished.stdout).with_context(ended),
        _ => anyhow::bail!(ended()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Arch;

    #[test]
    fn whatever_takes_part_is_in_the_key() {
        let image = Image {
            name: "bookworm-x86_64-gnu".into(),
            arch: Arch::X86_64,
            libc: None,
            digest: "sha256:0".into(),
            rootfs: "/nowhere".into(),
            pinned: true,
        };
        let file = |path: &str, sha256| DistFile { path: path.to_owned(), sha256 };
        let cast = |client, server, plugin, name| Cast {
            image: &image,
            client: file("t/bin/client", client),
            server: file("t/bin/server", server),
            plugins: vec![("handlers", file(name, plugin))],
            beside: vec![("middlewares", file("t/plugins/bad.so", "4"))],
        };
        let key = cast("1", "2", "3", "t/plugins/ip.so").key();
        assert_eq!(cast("1", "2", "3", "t/plugins/ip.so").key(), key);
        for other in [
            cast("9", "2", "3", "t/plugins/ip.so"),
            cast("1", "9", "3", "t/plugins/ip.so"),
            cast("1", "2", "9", "t/plugins/ip.so"),
            cast("1", "2", "3", "t/plugins/other.so"),
        ] {
            assert_ne!(other.key(), key);
        }
        assert_eq!(
            cast("1", "2", "3", "t/plugins/ip.so").argv().join(" "),
            "/dist/t/bin/client --server /dist/t/bin/server --patience-seconds 30 --plugin handlers=/dist/t/plugins/ip.so --beside middlewares=/dist/t/plugins/bad.so"
        );
    }
}
