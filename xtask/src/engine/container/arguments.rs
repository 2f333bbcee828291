//! The arguments of `docker create` and `podman create` that give a job the surroundings that every engine gives.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getegid, geteuid, getrlimit};

use super::bare;
use super::cli::Program;
use super::facts::Facts;
use crate::engine::{Job, Mount};
use crate::lab::Arch;

/// Names the process that started a container, so that later runs know which ones were left behind.
pub(super) const OWNER_LABEL: &str = "dynlab.owner";

/// A `/tmp` in memory. Without exec, docker's own default for a tmpfs, nothing that a build makes there could run.
pub(super) const TMP: &str = "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777";

/// The hard limit on processes that podman leaves to the runtime that it starts.
const PODMAN_PROCESSES: u64 = 32768;

/// Everything after the name of the command. `image_variables` are the names that the image sets by itself.
pub(super) fn create(
    job: &Job<'_>,
    facts: &Facts,
    name: &str,
    owner: &str,
    image_variables: &[String],
) -> Result<Vec<OsString>> {
    let platform = match job.image.arch {
        Arch::X86_64 => "linux/amd64",
        Arch::Aarch64 => "linux/arm64",
    };
    let mut words: Vec<OsString> = [
        "create",
        "--network=none",
        "--read-only",
        TMP,
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--ulimit=core=0",
        "--pull=never",
        "--hostname=sandbox",
        // No health checks, no entry point: images of the lab have none, and the job names its program.
        "--entrypoint=",
    ]
    .map(Into::into)
    .into();
    words.extend([
        format!("--platform={platform}").into(),
        format!("--name={name}").into(),
        format!("--label={OWNER_LABEL}={owner}").into(),
        format!("--workdir={}", job.cwd).into(),
    ]);
    words.extend(facts.init.iter().map(Into::into));
    if !facts.rootless {
        words.push(format!("--user={}:{}", geteuid().as_raw(), getegid().as_raw()).into());
    }
    if facts.program == Program::Podman {
        words.extend(["--unsetenv-all", "--image-volume=ignore"].map(Into::into));
        words.extend(own_limits());
    }
    if !job.stdin.is_empty() {
        words.push("--interactive".into());
    }
    words.extend(given_variables(job)?);
    // Without a value, docker removes what it would set by itself; see `removed_variables` for what that takes.
    words.extend(
        removed_variables(job, facts, image_variables).iter().map(|name| format!("--env={name}").into()),
    );
    for mount in &job.mounts {
        words.extend(["--mount".into(), describe(mount)?]);
    }
    words.push(bare(&job.image.digest).into());
    words.extend(job.argv.iter().cloned());
    Ok(words)
}

/// The variables that docker or the image would add to the job's. docker removes a variable that is named without a
/// value, but only if it has none of that name itself: it must be started without them. Two come back whatever is
/// asked: HOME, which the runtime sets when nobody does, and podman's HOSTNAME.
pub(super) fn removed_variables(
    job: &Job<'_>,
    facts: &Facts,
    image_variables: &[String],
) -> BTreeSet<String> {
    if facts.program == Program::Podman {
        return BTreeSet::new();
    }
    let added =
        ["PATH", "HOSTNAME", "TERM"].map(str::to_owned).into_iter().chain(image_variables.iter().cloned());
    added.filter(|name| job.env.iter().all(|(given, _)| given != name)).collect()
}

fn given_variables(job: &Job<'_>) -> Result<Vec<OsString>> {
    let word = |(name, value): &(String, OsString)| {
        ensure!(!name.is_empty() && !name.contains('='), "{name:?} is no name for an environment variable");
        let mut word = OsString::from(format!("--env={name}="));
        word.push(value);
        Ok(word)
    };
    job.env.iter().map(word).collect()
}

/// podman raises the limits of a container above those of its starter, which only a root with all capabilities may.
fn own_limits() -> Vec<OsString> {
    [("nofile", Resource::Nofile, u64::MAX), ("nproc", Resource::Nproc, PODMAN_PROCESSES)]
        .map(|(name, resource, bound)| {
            let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(bound);
            let shown = if hard == u64::MAX { "-1".to_owned() } else { hard.to_string() };
            format!("--ulimit={name}={shown}:{shown}").into()
        })
        .into()
}

/// The value of `--mount`, one record of CSV.
pub(super) fn describe(mount: &Mount) -> Result<OsString> {
    let source = mount.source.canonicalize().with_context(|| {
        format!("cannot mount {} at {}: it is not there", mount.source.display(), mount.target)
    })?;
    ensure!(mount.target.starts_with('/'), "mount target {:?} must be an absolute path", mount.target);
    let mut fields = vec![
        OsString::from("type=bind"),
        prefixed("source=", source.as_os_str().as_bytes())?,
        prefixed("target=", mount.target.as_bytes())?,
    ];
    if !mount.writable {
        fields.push("readonly".into());
    }
    Ok(fields.join(std::ffi::OsStr::new(",")))
}

fn prefixed(key: &str, path: &[u8]) -> Result<OsString> {
    let path = std::str::from_utf8(path).context("docker and podman take no path that is not UTF-8")?;
    let field = format!("{key}{path}");
    let quoted = field.contains([',', '"', '\n']);
    Ok(if quoted { format!("\"{}\"", field.replace('"', "\"\"")).into() } else { field.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    fn image() -> Image {
        Image {
            name: "bookworm-aarch64-gnu".into(),
            arch: Arch::Aarch64,
            libc: None,
            digest: format!("sha256:{}", "0".repeat(64)),
            rootfs: "/nowhere".into(),
            pinned: true,
        }
    }

    fn words(job: &Job<'_>, facts: &Facts) -> Vec<String> {
        let words = create(job, facts, "n", "o", &["LANG".into(), "A".into()]).unwrap();
        words.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn docker_is_told_to_add_nothing_and_to_forbid_the_rest() {
        let facts = Facts { program: Program::Docker, rootless: false, init: vec!["--init".into()] };
        let image = image();
        let mut job = Job::new(&image, ["/bin/x", "--flag"]);
        job.env = vec![("A".into(), "b c".into())];
        job.mounts = vec![Mount::read_only("/", "/with,comma")];
        let words = words(&job, &facts);
        for word in [
            "--network=none",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--pull=never",
            "--platform=linux/arm64",
            "--env=A=b c",
            "--env=PATH",
            "--env=LANG",
            "type=bind,source=/,\"target=/with,comma\",readonly",
            "--init",
        ] {
            assert!(words.iter().any(|given| given == word), "{word} in {words:?}");
        }
        assert!(!words.contains(&"--env=A".to_owned()), "a wanted variable is not removed");
        assert!(words.iter().any(|word| word.starts_with("--user=")), "files it writes are ours");
        assert_eq!(words[words.len() - 3..], ["0".repeat(64), "/bin/x".into(), "--flag".into()]);
    }

    #[test]
    fn rootless_podman_maps_its_root_to_us() {
        let facts = Facts { program: Program::Podman, rootless: true, init: Vec::new() };
        let image = image();
        let words = words(&Job::new(&image, ["/bin/x"]), &facts);
        assert!(words.contains(&"--unsetenv-all".to_owned()));
        assert!(!words.iter().any(|word| word.starts_with("--user=") || word == "--env=PATH"));
    }
}
