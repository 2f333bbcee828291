//! What the engine behind docker or podman is and can do.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::cli::{Cli, Program};
use crate::engine::Unavailable;

/// Static programs that can be process 1 in any image; podman is told where, docker brings its own.
const INITS: [&str; 4] = [
    "/usr/libexec/podman/catatonit",
    "/usr/lib/podman/catatonit",
    "/usr/bin/catatonit",
    "/usr/bin/tini-static",
];

/// What the engine is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) program: Program,
    /// Root in the container is this user outside, so files that it writes are ours.
    pub(super) rootless: bool,
    /// What makes a small program process 1, which reaps orphans and passes signals on; empty if there is none.
    pub(super) init: Vec<String>,
}

impl Facts {
    /// Asks the engine.
    pub(super) fn gather(cli: &Cli) -> Result<Facts, Unavailable> {
        let name = cli.name();
        let mut info = cli.command(["info", "--format", "{{json .}}"]);
        let output = info.output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(cli.program()),
            _ => silent(cli.program(), &format!("cannot start {name}: {error}")),
        })?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        read(cli.program(), &stdout, |path| path.exists())
            .map_err(|error| silent(cli.program(), &format!("{error} {stderr}")))
    }
}

fn missing(program: Program) -> Unavailable {
    let (reason, package) = match program {
        Program::Docker => ("the command docker is not installed", "docker.io"),
        Program::Podman => ("the command podman is not installed", "podman"),
    };
    Unavailable {
        reason: reason.into(),
        cure: format!("as root: `apt-get install {package}`, or use `--engine sandbox`"),
    }
}

fn silent(program: Program, words: &str) -> Unavailable {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match program {
        Program::Docker => Unavailable {
            reason: format!("no docker engine answers: {words}"),
            cure: "start it, or put `cargo xtask with-docker --` before the command, as root; or use `--engine sandbox`"
                .into(),
        },
        Program::Podman => Unavailable {
            reason: format!("podman does not work here: {words}"),
            cure: "mend what it says, or use `--engine sandbox`".into(),
        },
    }
}

fn read(program: Program, info: &str, exists: impl Fn(&Path) -> bool) -> Result<Facts, String> {
    let info: Value = serde_json::from_str(info.trim()).map_err(|_| String::new())?;
    match program {
        Program::Docker => {
            if let Some(errors) = info["ServerErrors"].as_array()
                && !errors.is_empty()
            {
                return Err(errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
            }
            // Without an engine behind it, docker tells about itself alone.
            info["ServerVersion"].as_str().filter(|version| !version.is_empty()).ok_or("")?;
            let options = info["SecurityOptions"].as_array();
            let rootless =
                options.is_some_and(|options| options.iter().any(|option| option == "name=rootless"));
            Ok(Facts { program, rootless, init: vec!["--init".into()] })
        }
        Program::Podman => {
            let security = &info["host"]["security"];
            let rootless = security["rootless"].as_bool().ok_or("podman info does not say who runs it")?;
            let init = INITS.into_iter().find(|path| exists(Path::new(path)));
            let init =
                init.map_or_else(Vec::new, |path| vec!["--init".into(), format!("--init-path={path}")]);
            Ok(Facts { program, rootless, init })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_and_podman_tell_what_they_are() {
        let docker = |info| read(Program::Docker, info, |_| true);
        let facts = docker(r#"{"ServerVersion":"20.10","SecurityOptions":["name=seccomp,profile=default"]}"#)
            .unwrap();
        assert!(!facts.rootless && facts.init == ["--init"]);
        assert!(docker(r#"{"ServerVersion":"28","SecurityOptions":["name=rootless"]}"#).unwrap().rootless);
        let refusal = r#"{"ServerErrors":["Cannot connect to the Docker daemon at unix:///x."],"SecurityOptions":null}"#;
        assert_eq!(docker(refusal).unwrap_err(), "Cannot connect to the Docker daemon at unix:///x.");
        assert!(docker("").is_err() && docker(r#"{"ServerVersion":""}"#).is_err());

        let podman = r#"{"host":{"security":{"rootless":true}}}"#;
        let facts = read(Program::Podman, podman, |path| path.ends_with("tini-static")).unwrap();
        assert!(facts.rootless);
        assert_eq!(facts.init, ["--init", "--init-path=/usr/bin/tini-static"]);
        assert!(read(Program::Podman, podman, |_| false).unwrap().init.is_empty());
        assert!(read(Program::Podman, "{}", |_| false).is_err());
    }

    #[test]
    fn every_refusal_has_a_cure() {
        for program in [Program::Docker, Program::Podman] {
            assert!(missing(program).to_string().contains("apt-get install"));
            assert!(silent(program, "no\n answer").to_string().contains("no answer; "));
        }
    }
}
