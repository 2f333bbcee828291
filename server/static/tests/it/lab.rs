//! Both servers on the same configuration.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take: far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A handler or middleware of the workspace.
pub(crate) struct Plugin {
    pub(crate) package: String,
    /// As the plugin calls itself.
    pub(crate) name: String,
    /// Where in a plugin root it belongs.
    pub(crate) folder: &'static str,
}

/// All of them, by the names of their packages: what is here has to be linked into the program under test.
pub(crate) fn plugins() -> Vec<Plugin> {
    let manifest: toml::Table = fs::read_to_string(repository().join("Cargo.toml")).unwrap().parse().unwrap();
    let packages = manifest["workspace"]["dependencies"].as_table().unwrap().iter();
    let plugin = |(package, dependency): (&String, &toml::Value)| {
        let kinds = [("-handler", "handlers"), ("-middleware", "middlewares")];
        let (name, folder) =
            kinds.iter().find_map(|(suffix, folder)| Some((package.strip_suffix(suffix)?, folder)))?;
        // Elsewhere lie those that no server is meant to have, as the one that only benchmarks call.
        let path = dependency.get("path")?.as_str()?;
        path.starts_with(&format!("plugins/{folder}/")).then_some(())?;
        Some(Plugin { package: package.clone(), name: name.to_owned(), folder })
    };
    packages.filter_map(plugin).collect()
}

/// A server that was started; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _root: Option<tempfile::TempDir>,
    lines: Receiver<String>,
    log: Vec<String>,
}

/// The program under test with this configuration.
pub(crate) fn static_server(config: &str) -> Server {
    Server::start(Command::new(env!("CARGO_BIN_EXE_static-server")), config, None)
}

/// Its dynamic twin, with the same plugins as files: all handlers, and the middlewares that the configuration names.
pub(crate) fn dyn_server(config: &str) -> Server {
    let root = tempfile::tempdir().unwrap();
    for Plugin { package, name, folder } in plugins() {
        let library = format!("lib{}.so", package.replace('-', "_"));
        let folder = root.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        if folder.ends_with("handlers") || config.contains(&name) {
            fs::copy(built().join(&library), folder.join(&library)).unwrap();
            fs::set_permissions(folder.join(&library), Permissions::from_mode(0o644)).unwrap();
        }
    }
    let mut command = Command::new(built().join("dyn-server"));
    command.arg("--plugin-root").arg(root.path()).args(["--on-change", "ignore"]);
    Server::start(command, config, Some(root))
}

impl Server {
    fn start(mut command: Command, config: &str, root: Option<tempfile::TempDir>) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, config.as_bytes()).unwrap();
        command.arg("--config").arg(file.path()).args(["--port", "0"]);
        // Nothing else tells it what to do; its socket for operators is not to lie in a folder of this machine.
        command.env_clear().env("SERVER_ADMIN", "off");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, address: unknown, _root: root, lines, log: Vec::new() };
        let line = server.wait_for_log("msg=listening");
        let address = line.split(' ').find_map(|word| word.strip_prefix("address=")).unwrap();
        server.address = address.parse().unwrap();
        server
    }

    /// The first log line, new or old, that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        self.wait_for_line(|line| line.contains(text), text)
    }

    /// The first log line, new or old, that is `wanted`, which `what` describes.
    pub(crate) fn wait_for_line(&mut self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.log.push(line),
                Err(reason) => panic!("no line with {what:?} ({reason}) in:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGTERM, and gives its whole log.
    pub(crate) fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.log.extend(self.lines.iter());
        let log = self.log.join("\n");
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The folder of the dynamic server and the plugins, built as they are shipped: apart from this crate and from each other.
fn built() -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(repository());
        command.args(["build", "--locked", "--package", "server", "--target-dir"]).arg(&target);
        for Plugin { package, .. } in plugins() {
            command.args(["--package", &package]);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
        target
    });
    target.join("debug")
}
