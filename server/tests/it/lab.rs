//! A plugin root in a fresh folder, and servers on it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that is not itself a matter of time: far more than a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A plugin root.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["handlers", "middlewares", "staging"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("handlers").join(file)
    }

    /// The `ip` handler.
    pub(crate) fn ip(self, file: &str) -> Self {
        self.built("ip-handler", file)
    }

    /// A handler in C with these macros; see its source.
    pub(crate) fn handler(self, file: &str, macros: &[&str]) -> Self {
        self.compile(file, "plugins/host/tests/it/plugins/handler.c", macros)
    }

    /// One of the deliberately bad plugins.
    pub(crate) fn fixture(self, name: &str) -> Self {
        self.fixture_built_with(name, &[])
    }

    /// One of them that is built in its own way, as `lab.toml` has it.
    pub(crate) fn fixture_built_with(self, name: &str, flags: &[&str]) -> Self {
        let source = repository().join(format!("plugins/fixtures/{name}.c"));
        compile(&self.path(&format!("{name}.so")), source.to_str().unwrap(), flags);
        self
    }

    /// The fixture that names a library which is nowhere.
    pub(crate) fn missing_library(self) -> Self {
        let staging = self.root().join("staging");
        let (source, library) = (staging.join("absent.c"), staging.join("libdynlab_absent.so"));
        fs::write(&source, "extern int dynlab_absent;\nint dynlab_absent;\n").unwrap();
        compile(&library, source.to_str().unwrap(), &["-Wl,-soname,libdynlab_absent.so"]);
        let search = format!("-L{}", staging.display());
        self.fixture_built_with("missing-library", &["-Wl,--no-as-needed", &search, "-ldynlab_absent"])
    }

    /// A handler of this repository in Rust.
    pub(crate) fn our_handler(self, name: &str) -> Self {
        self.built(&format!("{name}-handler"), &format!("{name}.so"))
    }

    /// A middleware of this repository in Rust.
    pub(crate) fn our_middleware(self, name: &str) -> Self {
        self.built(&format!("{name}-middleware"), &format!("../middlewares/{name}.so"))
    }

    /// A package of this workspace, under a name of its own.
    pub(crate) fn built(self, package: &str, file: &str) -> Self {
        fs::copy(built(package), self.path(file)).unwrap();
        set_mode(&self.path(file), 0o644);
        self
    }

    /// The handler that shows its settings.
    pub(crate) fn mirror(self, macros: &[&str]) -> Self {
        self.compile("mirror.so", "server/tests/it/plugins_c/mirror.c", macros)
    }

    /// A middleware of that name.
    pub(crate) fn marker(self, name: &str, macros: &[&str]) -> Self {
        let name_macro = format!("NAME=\"{name}\"");
        let macros: Vec<&str> = macros.iter().copied().chain([name_macro.as_str()]).collect();
        self.compile(&format!("../middlewares/{name}.so"), "server/tests/it/plugins_c/marker.c", &macros)
    }

    /// A handler as [`Lab::handler`] makes it, complete but not yet where the server looks.
    pub(crate) fn staged(&self, macros: &[&str]) -> PathBuf {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let file = format!("{}.so", COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = self.root().join("staging").join(file);
        compile(&path, "plugins/host/tests/it/plugins/handler.c", macros);
        path
    }

    /// Puts a staged plugin among the handlers, at once and whole.
    pub(crate) fn deploy(&self, staged: &Path, file: &str) {
        fs::rename(staged, self.path(file)).unwrap();
    }

    /// Writes a configuration file; gives the flag that names it.
    pub(crate) fn config(&self, toml: &str) -> String {
        let path = self.root().join("server.toml");
        fs::write(&path, toml).unwrap();
        format!("--config={}", path.display())
    }

    fn compile(self, file: &str, source: &str, macros: &[&str]) -> Self {
        compile(&self.path(file), source, macros);
        self
    }

    /// Starts a server on this root and waits until it listens.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        Server::start(server().arg("--plugin-root").arg(self.root()).args(["--port", "0"]).args(flags))
    }
}

/// Compiles a source in C, whose path may be relative to the repository.
pub(crate) fn compile(path: &Path, source: &str, macros_and_flags: &[&str]) {
    let (flags, macros): (Vec<&str>, Vec<&str>) =
        macros_and_flags.iter().partition(|argument| argument.starts_with('-'));
    let mut command = Command::new("cc");
    command
        .args(["-std=gnu11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror"])
        .arg("-I")
        .arg(repository().join("plugins/abi/include"))
        .args(macros.iter().map(|definition| format!("-D{definition}")))
        .arg("-o")
        .arg(path)
        .arg(repository().join(source))
        .args(flags);
    run(&mut command);
    set_mode(path, 0o644);
}

/// The program under test, with an environment that says nothing to it, but that its socket is not to lie in this machine's folder.
pub(crate) fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dyn-server"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SERVER_ADMIN", "off");
    command
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A plugin of this workspace in Rust, built once for all tests.
fn built(package: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let mut built = BUILT.lock().unwrap();
    if built.insert(package.to_owned()) {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(repository())
            .args(["build", "--locked", "--package", package, "--target-dir"])
            .arg(&target);
        run(&mut command);
    }
    target.join("debug").join(format!("lib{}.so", package.replace('-', "_")))
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, address: unknown, lines, log: Vec::new() };
        let line = server.wait_for_log("msg=listening");
        let address = line.split(' ').find_map(|word| word.strip_prefix("address=")).unwrap();
        server.address = address.parse().unwrap();
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The first log line, new or old, that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(reason) => panic!("no line with {text:?} ({reason}) in:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Waits until the body of `path` is `expected`.
    pub(crate) fn wait_for_answer(&mut self, path: &str, expected: &str) {
        self.wait_for_answer_that(path, expected, |answer| answer == expected);
    }

    /// Waits until the body of `path` is as it should be, which is `what`.
    pub(crate) fn wait_for_answer_that(&mut self, path: &str, what: &str, is_right: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let client = reqwest::blocking::Client::new();
        loop {
            let answer = client.get(self.url(path)).send().unwrap().text().unwrap();
            if is_right(&answer) {
                return;
            }
            if Instant::now() > deadline {
                self.log.extend(self.lines.try_iter());
                panic!("{path} still answers {answer:?} and not {what:?}:\n{}", self.log.join("\n"));
            }
            // Leaves the processor to the server.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether a line of the log so far contains `text`.
    pub(crate) fn has_logged(&mut self, text: &str) -> bool {
        self.log.extend(self.lines.try_iter());
        self.log.iter().any(|line| line.contains(text))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// A request to `POST /post` that is being handled, as the server's answer to its expectation shows, and whose body of four
    /// bytes is still to come.
    pub(crate) fn begin_post(&self) -> TcpStream {
        let mut stream = self.connect();
        stream
            .write_all(b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
            .unwrap();
        let mut start = [0; 25];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    /// Sends raw bytes, and gives all that comes until the server closes.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        exchange(self.address, bytes)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; gives the status and the whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running:\n{}", self.log.join("\n")),
            }
        }
        (self.child.wait().unwrap(), self.log.join("\n"))
    }
}

/// See [`Server::exchange`].
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
