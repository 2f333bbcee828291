//! Has an nginx check a configuration that loads a module: one sandbox a module.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::words;
use crate::engine::{Engine, Exit, Job, Mount};
use crate::image::Image;
use crate::lab::Outcome;

/// Where it lies in its images.
pub(super) const PROGRAM: &str = "/usr/sbin/nginx";
/// Where the configuration and `dist/` are mounted.
const CONFIGURATION: &str = "/run/nginx/nginx.conf";
const DIST: &str = "/dist";
/// For one check, which takes less than a second, emulated.
const DEADLINE: Duration = Duration::from_secs(120);

/// What became of loading a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tried {
    /// `works`, `refused`, `crashed` or `hung`.
    pub(super) outcome: Outcome,
    /// The code of the reason, where nginx's words tell one.
    pub(super) code: Option<String>,
    /// Its words.
    pub(super) message: Option<String>,
}

/// An nginx in its image.
pub(super) struct Place<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) image: &'a Image,
    pub(super) emulated: bool,
}

impl Place<'_> {
    /// All that observations there have in common; the key of what is remembered of them.
    pub(super) fn key(&self) -> String {
        let (engine, digest, emulated) = (self.engine.name(), &self.image.digest, self.emulated);
        format!("modules\n{engine}\n{digest}\n{emulated}\n{}", configuration("MODULE", ""))
    }

    /// Has it load the module `file`, relative to `dist`, and understand `directives`.
    ///
    /// # Errors
    /// nginx itself cannot be run, or ends in a way that says nothing of the module. One that is refused, or crashes it, is an answer.
    pub(super) fn try_loading(&self, dist: &Path, file: &str, directives: &str) -> Result<Tried> {
        let path = format!("{DIST}/{file}");
        let mut written = tempfile::NamedTempFile::new().context("cannot make a configuration of nginx")?;
        written.write_all(configuration(&path, directives).as_bytes())?;
        let finished = self.engine.run(&Job {
            env: vec![("LC_ALL".to_owned(), "C".into())],
            mounts: vec![Mount::read_only(dist, DIST), Mount::read_only(written.path(), CONFIGURATION)],
            deadline: DEADLINE,
            ..Job::new(self.image, [PROGRAM, "-t", "-e", "stderr", "-c", CONFIGURATION])
        })?;
        let stderr = String::from_utf8_lossy(&finished.stderr);
        let message = words::complaint(&stderr, &path);
        let outcome = match finished.exit {
            Exit::Code(0) => Outcome::Works,
            Exit::Code(_) if message.is_some() => Outcome::Refused,
            Exit::Signal(_) => Outcome::Crashed,
            Exit::DeadlinePassed => Outcome::Hung,
            exit => bail!("{PROGRAM} ended with {exit}:\n{stderr}"),
        };
        let code = message.as_deref().and_then(words::code).map(str::to_owned);
        Ok(Tried { outcome, code, message })
    }
}

/// The least that nginx takes for a configuration with the block `http`.
fn configuration(module: &str, directives: &str) -> String {
    format!(
        "load_module {module};\nuser root root;\npid /tmp/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;\n\
         uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi; access_log off;\n{directives}\nserver {{ listen unix:/tmp/http.sock; }}\n}}\n"
    )
}
