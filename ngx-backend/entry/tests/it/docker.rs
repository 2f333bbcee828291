//! The image in a docker engine, which gives it what the sandbox does not: capabilities, users of its own, `docker stop`.
//!
//! Only where `cargo xtask ci docker` says that there is an engine. Containers have no network; nginx listens on a socket in a folder that
//! both sides see, too.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;
use test_services::wait_for;

use crate::image::{Answer, PATIENCE, Release, TOKEN, exchange, release};
use crate::upstream::Upstream;

/// Set where a docker engine answers.
const DOCKER: &str = "DYNLAB_TEST_DOCKER";
/// The least that the image gets along with when it is started as root.
const LEAST: [&str; 9] = [
    "--read-only",
    "--tmpfs=/run",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--cap-add=CHOWN",
    "--cap-add=KILL",
    "--cap-add=SETGID",
    "--cap-add=SETUID",
    "--security-opt=no-new-privileges",
];
/// What it gets along with as some other user.
const AS_A_USER: [&str; 6] = [
    "--user=1000:1000",
    "--read-only",
    "--tmpfs=/run:uid=1000",
    "--tmpfs=/tmp",
    "--tmpfs=/var/lib/backend:uid=1000",
    "--cap-drop=ALL",
];

/// A container, removed with its volume when dropped.
struct Container {
    id: String,
    folder: TempDir,
}

fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().expect("docker is installed")
}

/// What it prints, where it has to succeed.
fn docker_says(words: &[&str]) -> String {
    let output = docker(words);
    assert!(output.status.success(), "docker {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The image, loaded once; nothing where there is no engine.
fn loaded() -> Option<&'static Release> {
    static LOADED: OnceLock<Option<Release>> = OnceLock::new();
    let load = || {
        if std::env::var_os(DOCKER).is_none() {
            eprintln!("skipped: the release image in docker (`cargo xtask ci docker` runs it)");
            return None;
        }
        let release = match release() {
            Ok(release) => release,
            Err(missing) => panic!("{}", missing.0),
        };
        docker_says(&["load", "--input", &release.archive.to_string_lossy()]);
        Some(release)
    };
    LOADED.get_or_init(load).as_ref()
}

impl Container {
    /// Starts it and waits until its health check is content.
    fn start(options: &[&str]) -> Option<Container> {
        let release = loaded()?;
        let folder = tempfile::Builder::new().prefix("release-").tempdir().expect("a temporary folder");
        // Whoever it runs as makes sockets there.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("a folder of our own");
        let mount = format!("{}:/srv", folder.path().display());
        let token = format!("BACKEND_TOKEN={TOKEN}");
        let mut words = vec!["run", "--detach", "--network=none", "--volume", &mount];
        words.extend(["--env=DOMAIN=example.test", "--env=LISTEN=80,unix:/srv/http.sock", "--env", &token]);
        words.extend(options);
        words.push(&release.tag);
        let container = Container { id: docker_says(&words), folder };
        container.wait_until_well();
        Some(container)
    }

    fn wait_until_well(&self) {
        wait_for("a container that is well", PATIENCE, || {
            let state = docker_says(&["inspect", "--format", "{{.State.Status}}", &self.id]);
            assert_eq!(state, "running", "{}", self.log());
            self.exec("0", &["ngx-backend", "healthz"]).status.success().then_some(())
        });
    }

    /// Runs something in it, as a user by number or, with `0`, as whom it was started.
    fn exec(&self, user: &str, argv: &[&str]) -> Output {
        let mut words = vec!["exec"];
        if user != "0" {
            words.extend(["--user", user]);
        }
        words.push(&self.id);
        words.extend(argv);
        docker(&words)
    }

    /// Whether a user can read a file. There is nothing in the image to do that with, but nginx names what kept it from reading.
    fn can_read(&self, user: &str, file: &str) -> bool {
        let output = self.exec(user, &["nginx", "-t", "-e", "stderr", "-c", file]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let denied = words.contains(&format!("open() \"{file}\" failed (13: Permission denied)"));
        assert!(denied || !words.contains("open()"), "{words}");
        !denied
    }

    /// Whether a user can connect to the API's socket.
    fn can_connect(&self, user: &str) -> bool {
        let output = self.exec(user, &["ngx-backend", "api", "GET", "/healthz"]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || words.contains("Permission denied"), "{words}");
        output.status.success()
    }

    /// Whether the daemon shows a user all entries who brings no token; otherwise it has to be for want of one.
    fn shows_entries_to(&self, user: &str) -> bool {
        // The container's own variable would be the client's, too.
        let without_token = ["exec", "--env", "BACKEND_TOKEN=", "--user", user, &self.id];
        let ask = ["ngx-backend", "api", "GET", "/entries.json"];
        let output = docker(&[&without_token[..], &ask].concat());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || words.contains("the daemon answered 401"), "{user}: {words}");
        output.status.success()
    }

    /// Number of user and group, and title, of all its processes.
    fn processes(&self) -> Vec<String> {
        let list = docker_says(&["top", &self.id, "-eo", "pid,uid,gid,args"]);
        let lines = list.lines().skip(1);
        lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
    }

    fn get(&self, host: &str) -> Option<Answer> {
        self.get_path(host, "/")
    }

    fn get_path(&self, host: &str, path: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(&self.path("http.sock"), request.as_bytes())
    }

    /// Enters a host that leads to the test, and waits until it does.
    fn enter(&self, host: &str) {
        let entry = serde_json::json!({ "host": host, "backend": "unix:/srv/up.sock" }).to_string();
        let entered = self.exec("0", &["ngx-backend", "api", "POST", "/entries.json", &entry]);
        assert!(entered.status.success(), "{entered:?}");
        self.wait_until_served(host);
    }

    fn wait_until_served(&self, host: &str) {
        wait_for(host, PATIENCE, || self.get(host).filter(|answer| answer.status == 200));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops it as docker does, and gives its exit status.
    fn stop(&self) -> String {
        docker_says(&["stop", "--time", "60", &self.id]);
        docker_says(&["inspect", "--format", "{{.State.ExitCode}}", &self.id])
    }

    fn log(&self) -> String {
        let output = docker(&["logs", &self.id]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

#[track_caller]
fn assert_one(processes: &[String], start: &str) {
    let found = processes.iter().filter(|process| process.starts_with(start)).count();
    assert_eq!(found, 1, "{start}: {processes:#?}");
}

#[test]
fn each_program_has_a_user_of_its_own_and_others_see_nothing() {
    for options in [&[][..], &LEAST] {
        let Some(container) = Container::start(options) else { return };
        let processes = container.processes();
        assert_one(&processes, "0 0 /usr/bin/ngx-backend");
        assert_one(&processes, "990 990 /usr/bin/backend ");
        assert_one(&processes, "0 0 nginx: master process ");
        let is_worker = |process: &&String| process.ends_with("nginx: worker process");
        let workers: Vec<_> = processes.iter().filter(is_worker).collect();
        assert!(
            !workers.is_empty() && workers.iter().all(|worker| worker.starts_with("33 33 ")),
            "{processes:#?}"
        );

        // nginx's workers and the daemon, and nobody else.
        for (user, is_in) in
            [("33:33", true), ("990:990", true), ("1234:1234", false), ("65534:65534", false)]
        {
            assert_eq!(container.can_connect(user), is_in, "{user}");
            assert_eq!(container.can_read(user, "/run/backend/map/control"), is_in, "{user}");
        }
        // Of those who can connect, nginx's workers speak for the world.
        for (user, is_shown) in [("0:0", true), ("990:990", true), ("33:33", false)] {
            assert_eq!(container.shows_entries_to(user), is_shown, "{user}");
        }
        // What it keeps is the daemon's alone.
        assert!(container.can_read("990:990", "/var/lib/backend/map.redb"));
        assert!(!container.can_read("33:33", "/var/lib/backend/map.redb"));

        let _upstream = Upstream::listen(&container.path("up.sock"));
        container.enter("www.example.test");
        assert_eq!(container.get("unknown.test").map(|answer| answer.status), Some(404));
        assert_eq!(container.stop(), "0", "{}", container.log());
        let log = container.log();
        assert!(log.contains("dropped privileges") && log.contains("\"GET / HTTP/1.1\" 200"), "{log}");
        assert!(
            !log.contains("[emerg]") && !log.contains("[alert]") && !log.contains("level=error"),
            "{log}"
        );
    }
}

#[test]
fn it_needs_no_privilege_at_all_as_some_other_user() {
    let Some(container) = Container::start(&AS_A_USER) else { return };
    let processes = container.processes();
    assert!(processes.iter().all(|process| process.starts_with("1000 1000 ")), "{processes:#?}");
    for (user, is_in) in [("1000:1000", true), ("1234:1234", false)] {
        assert_eq!(container.can_connect(user), is_in, "{user}");
        assert_eq!(container.can_read(user, "/run/backend/map/control"), is_in, "{user}");
    }
    // nginx is the daemon's own user here; what it passes on is from somebody else all the same.
    assert!(container.shows_entries_to("1000:1000"));
    let status = |path| container.get_path("api.example.test", path).map(|answer| answer.status);
    assert_eq!((status("/healthz"), status("/entries.json")), (Some(200), Some(401)));
    let _upstream = Upstream::listen(&container.path("up.sock"));
    container.enter("www.example.test");
    assert_eq!(container.stop(), "0", "{}", container.log());
}

#[test]
fn what_was_entered_outlives_a_container_s_stop_and_its_death() {
    let Some(container) = Container::start(&[]) else { return };
    let _upstream = Upstream::listen(&container.path("up.sock"));
    for (number, end) in ["stop", "kill"].into_iter().enumerate() {
        let host = format!("host-{number}.example.test");
        container.enter(&host);
        docker_says(&[end, &container.id]);
        docker_says(&["start", &container.id]);
        // Sockets of the one that was killed still lie there.
        container.wait_until_well();
        container.wait_until_served(&host);
        container.wait_until_served("host-0.example.test");
    }
}

#[test]
fn the_image_says_how_it_is_run() {
    let Some(release) = loaded() else { return };
    let says = |format: &str| docker_says(&["inspect", "--format", format, &release.tag]);
    assert_eq!(says("{{json .Config.Entrypoint}}"), r#"["/usr/bin/ngx-backend"]"#);
    assert_eq!(says("{{json .Config.Healthcheck.Test}}"), r#"["CMD","/usr/bin/ngx-backend","healthz"]"#);
    assert_eq!(says("{{json .Config.ExposedPorts}}"), r#"{"80/tcp":{}}"#);
    assert_eq!(says("{{json .Config.Volumes}}"), r#"{"/var/lib/backend":{}}"#);
    assert_eq!(says("{{.Config.StopSignal}} {{.Os}}"), "SIGTERM linux");
    assert_eq!(says("{{.Id}}"), release.digest);
}
