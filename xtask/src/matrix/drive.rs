//! Starts a scenario's server inside a host image, in a sandbox of its own, and has its client drive it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::observe::{DIST, START_SECONDS};
use super::scenario_cell::Driven;
use crate::build::sha256;
use crate::engine::{Engine, Exit, Job, Mount};
use crate::image::Image;
use crate::lab::{Ask, Then};

/// Wall-clock time that a server may use for a step. One that works uses less than a second for all, emulated.
pub(super) const STEP: Patience = Patience { step_seconds: 30, load_timeout_seconds: 15 };
/// The same where it has everything to look at and something that hangs among it, which it waits for in vain. Everything else
/// that it loads is loaded within a second or two, emulated.
pub(super) const STEP_WITH_EVERYTHING: Patience = Patience { step_seconds: 120, load_timeout_seconds: 10 };
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

/// How long may be waited.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// By the client, for a step of the server.
    pub(super) step_seconds: u32,
    /// By the server, for a plugin that it loads.
    pub(super) load_timeout_seconds: u32,
}

/// A file in a plugin root.
#[derive(Clone)]
pub(crate) struct CastFile<'a> {
    /// Its folder and name there.
    pub(crate) place: String,
    /// What is there.
    pub(crate) file: DistFile<'a>,
}

/// A scenario in a host: everything that takes part.
pub(crate) struct Cast<'a> {
    /// The host's image.
    pub(crate) image: &'a Image,
    /// The program that starts the server and asks it.
    pub(crate) client: DistFile<'a>,
    /// The program that is started.
    pub(crate) server: DistFile<'a>,
    /// What lies in its plugin root.
    pub(crate) plugins: Vec<CastFile<'a>>,
    /// What lies there beside them.
    pub(crate) beside: Vec<CastFile<'a>>,
    /// The server's configuration, in TOML.
    pub(crate) config: String,
    /// Fields of every request.
    pub(crate) headers: BTreeMap<&'a str, &'a str>,
    /// The server's arguments, if they are not those that the client gives every server.
    pub(crate) arguments: &'a [String],
    /// What is asked.
    pub(crate) asks: &'a [Ask],
    /// Whether nothing has to be refused.
    pub(crate) answers_everything: bool,
    /// The signals that it is sent afterwards.
    pub(crate) then: &'a [Then],
    /// How long may be waited.
    pub(crate) patience: Patience,
}

impl Cast<'_> {
    /// What scenarios of one host have in common; the key of what is remembered of them.
    pub(crate) fn place(engine: &dyn Engine, image: &Image, emulated: bool) -> String {
        format!("scenarios\n{}\n{}\n{emulated}", engine.name(), image.digest)
    }

    /// The key of what is remembered of it there: a digest, as there may be very many files.
    pub(crate) fn key(&self) -> String {
        let files = self.plugins.iter().chain(&self.beside).map(|file| file.file.sha256);
        let contents: Vec<&str> = [self.client.sha256, self.server.sha256].into_iter().chain(files).collect();
        sha256(format!("{:?} {contents:?}", self.argv()).as_bytes())
    }

    fn argv(&self) -> Vec<String> {
        let inside = |file: &DistFile<'_>| format!("{DIST}/{}", file.path);
        let Patience { step_seconds, load_timeout_seconds } = self.patience;
        let mut argv = vec![
            inside(&self.client),
            "--server".to_owned(),
            inside(&self.server),
            "--patience-seconds".to_owned(),
            step_seconds.to_string(),
            "--load-timeout-seconds".to_owned(),
            load_timeout_seconds.to_string(),
        ];
        for (flag, files) in [("--plugin", &self.plugins), ("--beside", &self.beside)] {
            for CastFile { place, file } in files {
                argv.extend([flag.to_owned(), format!("{place}={}", inside(file))]);
            }
        }
        if !self.config.is_empty() {
            argv.extend(["--config".to_owned(), self.config.clone()]);
        }
        for (name, value) in &self.headers {
            argv.extend(["--header".to_owned(), format!("{name}: {value}")]);
        }
        for argument in self.arguments {
            argv.extend(["--argument".to_owned(), argument.clone()]);
        }
        for Ask { path, answers } in self.asks {
            argv.extend(["--ask".to_owned(), format!("{path}={answers}")]);
        }
        if self.answers_everything {
            argv.push("--answers-everything".to_owned());
        }
        for Then { signal, says } in self.then {
            argv.extend(["--then".to_owned(), format!("{signal}={says}")]);
        }
        argv
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
        mounts: vec![Mount::read_only(dist, DIST)],
        deadline: Duration::from_secs(START_SECONDS + STEPS * u64::from(cast.patience.step_seconds)),
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
        let in_root = |place: &str, file| CastFile { place: place.to_owned(), file };
        let cast = |client, server, plugin, name| Cast {
            image: &image,
            client: file("t/bin/client", client),
            server: file("t/bin/server", server),
            plugins: vec![in_root("handlers/ip.so", file(name, plugin))],
            beside: vec![in_root("middlewares/bad.so", file("t/plugins/bad.so", "4"))],
            config: "a = 1".to_owned(),
            headers: BTreeMap::from([("x", "y")]),
            arguments: &[],
            asks: &[],
            answers_everything: false,
            then: &[],
            patience: STEP,
        };
        let whole = cast("1", "2", "3", "t/plugins/ip.so");
        assert_eq!(cast("1", "2", "3", "t/plugins/ip.so").key(), whole.key());
        let asks = [Ask { path: "/a".to_owned(), answers: "b".to_owned() }];
        let then = [Then { signal: "HUP".to_owned(), says: "again".to_owned() }];
        let arguments = ["-v".to_owned()];
        for other in [
            cast("9", "2", "3", "t/plugins/ip.so"),
            cast("1", "9", "3", "t/plugins/ip.so"),
            cast("1", "2", "9", "t/plugins/ip.so"),
            cast("1", "2", "3", "t/plugins/other.so"),
            Cast { config: String::new(), ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { headers: BTreeMap::new(), ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { asks: &asks, ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { answers_everything: true, ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { then: &then, ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { arguments: &arguments, ..cast("1", "2", "3", "t/plugins/ip.so") },
            Cast { patience: STEP_WITH_EVERYTHING, ..cast("1", "2", "3", "t/plugins/ip.so") },
        ] {
            assert_ne!(other.key(), whole.key(), "{:?}", other.argv());
        }
        assert_eq!(
            Cast { arguments: &arguments, asks: &asks, then: &then, ..whole }.argv().join(" "),
            "/dist/t/bin/client --server /dist/t/bin/server --patience-seconds 30 --load-timeout-seconds 15 \
             --plugin handlers/ip.so=/dist/t/plugins/ip.so --beside middlewares/bad.so=/dist/t/plugins/bad.so \
             --config a = 1 --header x: y --argument -v --ask /a=b --then HUP=again"
        );
    }
}
