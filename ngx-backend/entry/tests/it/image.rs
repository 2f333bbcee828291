//! The release image, run as `cargo xtask exec` runs programs: without capabilities, without network, with a read-only root.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use test_services::{Missing, ask_xtask, wait_for, xtask};

/// Most that a test waits for something that should come soon, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The engine kills the program after this in any case.
const LONGEST_RUN: &str = "600";
/// Where nginx listens.
const LISTEN: &str = "unix:/run/http.sock";
/// Of the API, in tests that have one.
pub(crate) const TOKEN: &str = "a-token-of-a-test-0123456789";

/// The image as `cargo xtask release` has made it.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// Its name in a docker engine that has loaded it.
    pub(crate) tag: String,
    /// Its ID there.
    pub(crate) digest: String,
    /// The sizes of its files, in bytes.
    pub(crate) size: u64,
    /// For `docker load`.
    pub(crate) archive: PathBuf,
    pub(crate) rootfs: PathBuf,
}

/// Makes it once a process.
///
/// # Errors
/// [`Missing`] if this machine cannot.
pub(crate) fn release() -> Result<Release, Missing> {
    static MADE: OnceLock<Result<Release, Missing>> = OnceLock::new();
    let make = || {
        let line = ask_xtask(&["release"])?;
        let words: Vec<&str> = line.trim().split(' ').collect();
        let [tag, digest, size, archive, rootfs] = words[..] else { panic!("{line:?}") };
        let size = size.parse().expect("a number of bytes");
        let (tag, digest) = (tag.to_owned(), digest.to_owned());
        Ok(Release { tag, digest, size, archive: archive.into(), rootfs: rootfs.into() })
    };
    MADE.get_or_init(make).clone()
}

/// A container of it, so to speak. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
}

/// An answer of nginx.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Running {
    /// Starts it with a token and a domain, and further variables; returns once its health check is content.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Result<Running, Missing> {
        let release = release()?;
        let folder = tempfile::Builder::new().prefix("release-").tempdir().expect("a temporary folder");
        for name in ["run", "store"] {
            fs::create_dir(folder.path().join(name)).expect("a folder of our own");
        }
        let mut command = exec(&release, folder.path(), variables, &[]);
        let log = |name: &str| File::create(folder.path().join(name)).expect("a file of our own");
        // Kept open by this process alone: its end is that of the container.
        command.stdin(Stdio::piped()).stdout(log("stdout")).stderr(log("stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut running = Running { child, folder };
        wait_for("a container that is well", PATIENCE, || {
            if let Some(status) = running.child.try_wait().expect("a child can be waited for") {
                panic!("it ended with {status}:\n{}", running.log());
            }
            running.is_well().then_some(())
        });
        Ok(running)
    }

    fn is_well(&self) -> bool {
        let socket = self.path("run/nginx/health.sock");
        exchange(&socket, b"GET /healthz HTTP/1.0\r\n\r\n").is_some_and(|answer| answer.status == 200)
    }

    /// Something in the folder that has its `/run` as `run`, and its volume as `store`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs another program in the same surroundings, as `docker exec` would.
    pub(crate) fn exec(&self, argv: &[&str]) -> Output {
        let release = release().expect("it was made before");
        to_its_end(exec(&release, self.folder.path(), &[], argv))
    }

    /// Sends nginx a request, which has to have the connection closed, and gives its answer.
    pub(crate) fn send(&self, request: &str) -> Answer {
        exchange(&self.path("run/http.sock"), request.as_bytes()).expect("nginx answers")
    }

    pub(crate) fn get(&self, host: &str, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// As [`Running::get`], once the answer has that status: a change may take a tenth of a second.
    pub(crate) fn get_once(&self, status: u16, host: &str, path: &str) -> Answer {
        wait_for(&format!("{status} of {host}"), PATIENCE, || {
            Some(self.get(host, path)).filter(|answer| answer.status == status)
        })
    }

    /// Asks the API, through nginx and with the token, to enter a host.
    pub(crate) fn enter(&self, host: &str, backend: &str) -> Answer {
        let body = serde_json::json!({ "host": host, "backend": backend }).to_string();
        self.send(&format!(
            "POST /entries.json HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    /// The processes of it whose command line begins like that, by number. The sandbox's own process comes before.
    pub(crate) fn processes(&self, title: &str) -> Vec<i32> {
        let mark = self.folder.path().file_name().expect("a name").to_string_lossy().into_owned();
        // Nothing else has this file.
        let _ = File::create(self.path("run").join(&mark));
        let sees_it = |pid: &i32| fs::exists(format!("/proc/{pid}/root/run/{mark}")).unwrap_or(false);
        let is_it = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").starts_with(title)
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut found: Vec<i32> = all
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(is_it)
            .filter(sees_it)
            .collect();
        found.sort_unstable();
        found
    }

    /// Sends a signal to the process with that title, once there is but one: each new one has that of its parent at first.
    pub(crate) fn signal(&self, title: &str, signal: Signal) {
        let pid = wait_for(title, PATIENCE, || match self.processes(title)[..] {
            [pid] => Some(pid),
            _ => None,
        });
        kill_process(Pid::from_raw(pid).expect("the number of a process"), signal)
            .expect("a process that runs");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the end", PATIENCE, || self.child.try_wait().expect("a child can be waited for"))
    }

    /// What it has printed; standard error only once it has ended.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("stdout"), read("stderr")].concat()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Starts it with these variables alone, and waits for its end.
pub(crate) fn run_to_end(variables: &[(&str, &str)]) -> Result<Output, Missing> {
    let release = release()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["run", "store"] {
        fs::create_dir(folder.path().join(name)).expect("a folder of our own");
    }
    let mut command = in_image(&release, folder.path());
    for (name, value) in variables {
        command.args(["--env", &format!("{name}={value}")]);
    }
    command.args(["--", "/usr/bin/ngx-backend"]);
    Ok(to_its_end(command))
}

/// Another nginx of the image, beside that of a container. Ended when dropped.
pub(crate) struct Beside {
    child: Child,
}

impl Running {
    /// Starts nginx in the same surroundings with this in its `http` block, and waits until it listens on `socket`, below `/run`.
    pub(crate) fn nginx_beside(&self, http: &str, socket: &str) -> Beside {
        fs::write(self.path("run/nginx.conf"), configuration(http)).expect("a folder of our own");
        let mut command = in_image(&release().expect("it was made before"), self.folder.path());
        command.args([
            "--",
            "/usr/sbin/nginx",
            "-g",
            "daemon off;",
            "-e",
            "/run/beside.log",
            "-c",
            "/run/nginx.conf",
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut beside = Beside { child };
        wait_for("another nginx", PATIENCE, || {
            let ended = beside.child.try_wait().expect("a child can be waited for");
            let log = || fs::read_to_string(self.path("run/beside.log")).unwrap_or_default();
            assert!(ended.is_none(), "it ended: {}", log());
            UnixStream::connect(self.path("run").join(socket)).is_ok().then_some(())
        });
        beside
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// One that has this in its `http` block, with all its files below `/run`.
fn configuration(http: &str) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.iter().map(|path| format!("{path}_temp_path /run/{path};\n")).collect();
    format!(
        "user root root;\npid /run/nginx.pid;\nload_module /usr/lib/nginx/modules/ngx_http_set_backend_module.so;\n\
         events {{}}\nhttp {{\naccess_log off;\n{paths}{http}}}\n"
    )
}

/// Whether nginx of the image takes what stands in its `http` block, and its words.
pub(crate) fn nginx_checks(http: &str) -> Result<(bool, String), Missing> {
    let release = release()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["run", "store"] {
        fs::create_dir(folder.path().join(name)).expect("a folder of our own");
    }
    fs::write(folder.path().join("run/nginx.conf"), configuration(http)).expect("a folder of our own");
    let mut command = in_image(&release, folder.path());
    command.args(["--", "/usr/sbin/nginx", "-t", "-e", "stderr", "-c", "/run/nginx.conf"]);
    let output = to_its_end(command);
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn to_its_end(mut command: Command) -> Output {
    // Held open until it has ended.
    let (_end, stdin) = std::io::pipe().map(|(reader, writer)| (writer, reader)).expect("a pipe");
    command.stdin(stdin).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn exec(release: &Release, folder: &Path, variables: &[(&str, &str)], argv: &[&str]) -> Command {
    let mut command = in_image(release, folder);
    let usual = [("DOMAIN", "example.test"), ("LISTEN", LISTEN), ("BACKEND_TOKEN", TOKEN)];
    for (name, value) in usual.iter().chain(variables) {
        command.args(["--env", &format!("{name}={value}")]);
    }
    command.args(["--", "/usr/bin/ngx-backend"]).args(argv);
    command
}

fn in_image(release: &Release, folder: &Path) -> Command {
    let mount = |name: &str, target: &str| format!("{}:{target}:rw", folder.join(name).display());
    let mut command = xtask();
    command.arg("exec").arg("--rootfs").arg(&release.rootfs).args(["--arch", std::env::consts::ARCH]);
    command.args(["--until-stdin-ends", "--deadline", LONGEST_RUN]);
    command.args(["--mount", &mount("run", "/run"), "--mount", &mount("store", "/var/lib/backend")]);
    command
}

/// Sends a request, and reads until the other side closes the connection; nothing if nobody answers.
pub(crate) fn exchange(socket: &Path, request: &[u8]) -> Option<Answer> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request).ok()?;
    read_answer(&mut stream)
}

pub(crate) fn read_answer(stream: &mut UnixStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
