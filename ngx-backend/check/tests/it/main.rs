//! The program from the outside, with the daemon and the resolvers as they are shipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Seconds for daemons that should come through: far more than a busy machine needs.
const PATIENT: &str = "60";

#[test]
fn what_is_put_in_is_found_by_both_resolvers_and_kept_over_a_restart() {
    let hosts = ["--ask", "www.example.com=192.0.2.1:80", "--ask", "b.example=unix:/run/b.sock"];
    let seen = check(&built().join("backend"), &["libsnapshot_resolver", "libsocket_resolver"], &hosts);
    assert_eq!((seen["outcome"].as_str(), seen["stage"].as_str()), (Some("works"), Some("stop")), "{seen}");
    assert_eq!(
        seen["message"],
        "www.example.com is 192.0.2.1:80, b.example is unix:/run/b.sock to snapshot and socket, also after a restart, until deleted"
    );
    assert!(seen["code"].is_null() && seen["signal"].is_null(), "{seen}");
}

#[test]
fn whatever_goes_wrong_is_told_with_its_stage() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = built().join("backend");
    let script = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    };
    let aborts = script("aborts", "kill -ABRT $$");
    let deaf = script("deaf", "echo 'msg=\"the API is served\"' >&2; exec /bin/sleep 60");
    let (good, name) = ("a.example=192.0.2.1:80", "a.example=upstream.example:80");
    let resolver = "libsnapshot_resolver";
    for (daemon, plugin, ask, patience, outcome, stage, says) in [
        (&daemon, resolver, name, PATIENT, "failed", "request", "status 422, should be 201"),
        (&daemon, "libip_handler", good, PATIENT, "refused", "load", "resolver"),
        (&aborts, resolver, good, PATIENT, "crashed", "listen", "signal: 6"),
        // Nobody publishes anything there.
        (&deaf, resolver, good, "1", "failed", "request", "a.example should have no upstream"),
        (&PathBuf::from("/no/such/daemon"), resolver, good, PATIENT, "failed", "start", "cannot start"),
    ] {
        let seen = check(daemon, &[plugin], &["--ask", ask, "--patience-seconds", patience]);
        assert_eq!(
            (seen["outcome"].as_str(), seen["stage"].as_str()),
            (Some(outcome), Some(stage)),
            "{seen}"
        );
        assert!(seen["message"].as_str().unwrap().contains(says), "{says:?} is not in {seen}");
    }
}

#[test]
fn a_resolver_whose_panics_would_end_the_program_is_refused_with_a_cure_that_there_is() {
    let resolver = build(&["snapshot-resolver"], "plugins-abort", "abort").join("libsnapshot_resolver.so");
    let plugin = format!("resolvers={}", resolver.display());
    let more = ["--ask", "a.example=192.0.2.1:80", "--plugin", &plugin];
    let seen = check(&built().join("backend"), &[], &more);
    let ended = ["outcome", "stage", "code"].map(|key| seen[key].as_str());
    assert_eq!(ended, [Some("refused"), Some("load"), Some("panic.abort")], "{seen}");
    let message = seen["message"].as_str().unwrap();
    assert!(message.ends_with("neither allows that; build it with panic = \"unwind\""), "{seen}");
    assert!(!message.contains("--allow-abort"), "{seen}");
}

#[test]
fn what_keeps_the_program_itself_from_working_is_no_observation() {
    let good = ["--server", "s", "--ask", "a=b", "--plugin", "resolvers=/no/such/file.so"];
    for (more, says) in [
        (&[][..], "cannot copy /no/such/file.so"),
        (&["--dance"][..], "unknown argument `--dance`"),
        (&["--then", "HUP=x"][..], "the daemon takes no"),
        (&["--plugin", "handlers=ip.so"][..], "ip.so is no resolver"),
    ] {
        let output = program().args(good).args(more).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{more:?}");
        assert!(stderr.contains(says), "{stderr}");
    }
}

/// What the program says of this daemon with these resolvers, libraries of the build.
fn check(daemon: &Path, resolvers: &[&str], more: &[&str]) -> Value {
    let mut command = program();
    command.arg("--server").arg(daemon).args(["--patience-seconds", PATIENT]);
    for name in resolvers {
        command.arg("--plugin").arg(format!("resolvers={}", built().join(format!("{name}.so")).display()));
    }
    let output = command.args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_backend-check"))
}

/// The folder of the daemon and the plugins, built as they are shipped: apart from this crate.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let packages = ["backend", "snapshot-resolver", "socket-resolver", "ip-handler"];
    BUILT.get_or_init(|| build(&packages, "plugins", "unwind"))
}

/// The folder of what cargo makes of these packages, in a target folder of that name, with panics that unwind or abort.
fn build(packages: &[&str], folder: &str, panic: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap())
        .env("CARGO_PROFILE_DEV_PANIC", panic)
        .args(["build", "--locked", "--target-dir"])
        .arg(&target)
        .args(packages.iter().flat_map(|package| ["--package", package]));
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
    target.join("debug")
}
