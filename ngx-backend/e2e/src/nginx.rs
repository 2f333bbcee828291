//! nginx in an image, with the module and a scripted resolver.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use test_services::{Missing, Service, ask_xtask, run_to_end, wait_for};

use crate::client::{self, Answer, Connection, Lasting};
use crate::http2::{self, Streamed};
use crate::processes::{Process, processes_of};

/// Where nginx sees the folder that it shares with the test.
const MOUNTED: &str = "/run/nginx";
const PATIENCE: Duration = Duration::from_secs(30);

/// An nginx that there are images of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edition {
    /// Major and minor version.
    pub version: &'static str,
    /// The processor it is compiled for.
    pub arch: &'static str,
}

impl Edition {
    /// All that run here without emulation.
    pub const NATIVE: [Edition; 2] = [
        Edition { version: "1.22", arch: std::env::consts::ARCH },
        Edition { version: "1.26", arch: std::env::consts::ARCH },
    ];
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nginx {} on {}", self.version, self.arch)
    }
}

/// What an nginx is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many workers.
    pub workers: usize,
    /// Directives outside any block.
    pub main: String,
    /// Directives in `http`, beside those for the resolver.
    pub http: String,
    /// What the server has that listens on the socket: locations.
    pub server: String,
    /// The script of the resolver.
    pub script: serde_json::Value,
    /// Whether the resolver's note says that a panic in it ends the process.
    pub resolver_aborts: bool,
    /// What `set_backend_library` names; `None` without that directive.
    pub library: Option<String>,
    /// Further files in the folder that it shares with the test, by name.
    pub files: Vec<(String, String)>,
    /// The version of nginx that the module is built for, if that is another one.
    pub module_for: Option<&'static str>,
    /// Whether the module is the one that wrongly loads plugins in the master.
    pub loads_before_fork: bool,
    /// Whether nginx goes into the background.
    pub daemon: bool,
}

impl Default for Setup {
    /// One worker; three upstreams of the names `one`, `two` and `three` on ports 8001 to 8003; the hosts `one.test` and so on that
    /// lead there; `/variable/` and `/balanced/`, which pass on to the upstream of the host; nothing listens on port 8009.
    fn default() -> Self {
        let upstreams = ["one", "two", "three"].iter().enumerate().map(|(index, name)| {
            format!(
                "server {{ listen 127.0.0.1:800{}; location / {{ return 200 '{name} $request_method $request_uri $http_host $connection\\n'; }} }}\n",
                index + 1
            )
        });
        let blocks = "upstream by_host { set_backend_balancer; keepalive 16; }\n";
        Setup {
            workers: 1,
            main: String::new(),
            http: upstreams.chain([blocks.to_owned()]).collect(),
            server: LOCATIONS.to_owned(),
            script: serde_json::json!({
                "one.test": { "upstreams": [["127.0.0.1:8001", 1]] },
                "two.test": { "upstreams": [["127.0.0.1:8002", 1]] },
                "three.test": { "upstreams": [["127.0.0.1:8003", 1]] },
            }),
            resolver_aborts: false,
            library: Some(format!("{MOUNTED}/{RESOLVER}")),
            files: Vec::new(),
            module_for: None,
            loads_before_fork: false,
            daemon: false,
        }
    }
}

const LOCATIONS: &str = r#"
    proxy_set_header Host $host;
    location /variable/ { set_backend $backend; proxy_pass http://$backend$request_uri; }
    location /balanced/ { proxy_pass http://by_host; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
"#;

const MODULE: &str = "ngx_http_set_backend_module.so";
const RESOLVER: &str = "scripted-resolver.so";

impl Setup {
    /// With a further host in the script.
    #[must_use]
    pub fn with_host(mut self, host: &str, entry: serde_json::Value) -> Setup {
        self.script[host] = entry;
        self
    }

    /// With a further file, which nginx sees below `/run/nginx`.
    #[must_use]
    pub fn with_file(mut self, name: &str, text: &str) -> Setup {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// With further directives in the server that listens.
    #[must_use]
    pub fn with_server(mut self, directives: &str) -> Setup {
        self.server.push_str(directives);
        self
    }

    /// With further directives in `http`.
    #[must_use]
    pub fn with_http(mut self, directives: &str) -> Setup {
        self.http.push_str(directives);
        self
    }

    fn configuration(&self) -> String {
        let Setup { workers, main, http, server, .. } = self;
        let daemon = if self.daemon { "on" } else { "off" };
        let resolver = self.library.as_ref().map_or_else(String::new, |library| {
            format!("set_backend_library {library}; set_backend_map {MOUNTED}/script.json;")
        });
        format!(
            "user root root;\ndaemon {daemon};\nworker_processes {workers};\nerror_log {MOUNTED}/error.log info;\npid {MOUNTED}/nginx.pid;\n\
             load_module {MOUNTED}/{MODULE};\n{main}\nevents {{ worker_connections 512; }}\nhttp {{\n\
             client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;\n\
             access_log {MOUNTED}/access.log;\n{resolver}\n{http}\nserver {{ listen unix:{MOUNTED}/http.sock default_server; location = /ready {{ return 204; }}\n{server}\n}}\n}}\n"
        )
    }
}

/// An nginx that runs. Killed when dropped.
#[derive(Debug)]
pub struct Nginx {
    // Before the folder, which it uses.
    _service: Service,
    folder: TempDir,
    /// Its configuration, as it sees it; no other nginx has a file of that name.
    configuration: String,
    worker_count: usize,
}

impl Nginx {
    /// Starts it, with the module built for it.
    ///
    /// # Errors
    /// [`Missing`] if this machine cannot run it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(edition: Edition, setup: &Setup) -> Result<Nginx, Missing> {
        let (folder, configuration) = lay_out(edition, setup)?;
        let nginx = format!("/usr/sbin/nginx -c {configuration}");
        let argv: Vec<String> = if setup.daemon {
            // Somebody has to stay, or nothing does: the sandbox ends with its first program.
            let holder = format!("{nginx} && read forever < {MOUNTED}/hold");
            rustix::fs::mknodat(
                rustix::fs::CWD,
                folder.path().join("hold"),
                rustix::fs::FileType::Fifo,
                0o600.into(),
                0,
            )
            .expect("a FIFO in the shared folder");
            vec!["/bin/sh".to_owned(), "-c".to_owned(), holder]
        } else {
            nginx.split(' ').map(str::to_owned).collect()
        };
        let socket = folder.path().join("http.sock");
        let is_ready = || client::exchange(&socket, b"GET /ready HTTP/1.0\r\n\r\n").is_ok();
        let service = Service::start(&image(edition), folder.path(), MOUNTED, &argv, is_ready)?;
        Ok(Nginx { _service: service, folder, configuration, worker_count: setup.workers })
    }

    /// Has it check a configuration, and gives whether it takes it, and its words.
    ///
    /// # Errors
    /// [`Missing`] if this machine cannot run it.
    ///
    /// # Panics
    /// If the check itself cannot be made.
    pub fn check(edition: Edition, setup: &Setup) -> Result<(bool, String), Missing> {
        let (folder, configuration) = lay_out(edition, setup)?;
        let argv = ["/usr/sbin/nginx", "-t", "-c", &configuration].map(str::to_owned);
        let output = run_to_end(&image(edition), folder.path(), MOUNTED, &argv)?;
        let mut words = String::from_utf8_lossy(&output.stderr).into_owned();
        words.push_str(&fs::read_to_string(folder.path().join("error.log")).unwrap_or_default());
        Ok((output.status.success(), words))
    }

    /// Asks for `path` of `host`.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn get(&self, host: &str, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// Whether a request for `path` of `host` is still without an answer after `patience`.
    ///
    /// # Panics
    /// If nginx cannot even be reached.
    pub fn leaves_waiting(&self, host: &str, path: &str, patience: Duration) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        match client::exchange_within(&self.socket(), request.as_bytes(), patience) {
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    /// Sends a request as it is; it has to have the connection closed behind its answer.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn send(&self, request: &str) -> Answer {
        client::exchange(&self.socket(), request.as_bytes()).expect("nginx answers")
    }

    /// Sends a request of HTTP/1.0 with a body and further header fields.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn ask(&self, method: &str, host: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.send(&client::request(method, host, target, fields, body))
    }

    /// A connection to each of its workers; the others are stopped until it has one. Waits until there are no old workers any more.
    ///
    /// # Panics
    /// If one does not take a connection, or there are not as many as there should be.
    pub fn connect_to_each_worker(&self) -> Vec<Connection> {
        let workers = self.all_workers();
        let connect = |wanted: &Process| {
            let others: Vec<_> = workers.iter().filter(|other| other.pid != wanted.pid).collect();
            others.iter().for_each(|other| other.stop());
            let connected = Connection::open(&self.socket()).and_then(|mut connection| {
                let ready = connection.get("any.test", "/ready")?;
                Ok((connection, ready))
            });
            others.iter().for_each(|other| other.signal(Signal::CONT));
            connected.expect("a worker answers").0
        };
        workers.iter().map(connect).collect()
    }

    /// A client that keeps its connections as long as nginx does.
    pub fn lasting_client(&self) -> Lasting {
        Lasting::new(self.socket())
    }

    /// Asks for `path` of all `hosts` at once, over one connection of HTTP/2 to the socket `name` in the shared folder.
    ///
    /// # Panics
    /// If not all answers come.
    pub fn get_all_by_http2(&self, name: &str, path: &str, hosts: &[&str]) -> Vec<Streamed> {
        http2::exchange(&self.folder.path().join(name), path, hosts).expect("nginx answers")
    }

    /// The socket it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("http.sock")
    }

    /// The folder that it sees as `/run/nginx`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its error log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Waits until its error log has `part`.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for_log(&self, part: &str) {
        wait_for(&format!("{part:?} in the error log"), PATIENCE, || self.log().contains(part).then_some(()));
    }

    /// The process that has the workers. Not for emulated ones, whose names are the emulator's.
    ///
    /// # Panics
    /// If it has ended.
    pub fn master(&self) -> Process {
        wait_for("a master", PATIENCE, || processes_of(&self.configuration).into_iter().next())
    }

    /// The processes that serve, as [`Nginx::master`].
    pub fn workers(&self) -> Vec<Process> {
        let is_worker = |process: &Process| process.title == "nginx: worker process";
        processes_of(&self.configuration).into_iter().filter(is_worker).collect()
    }

    /// The same once all of them serve, and those from before a reload have ended.
    ///
    /// # Panics
    /// If there never are as many as there should be.
    pub fn all_workers(&self) -> Vec<Process> {
        wait_for("all workers", PATIENCE, || {
            let children = processes_of(&self.configuration).len().saturating_sub(1);
            Some(self.workers())
                .filter(|workers| workers.len() == self.worker_count && children == self.worker_count)
        })
    }

    /// Has it read its configuration again, and waits until others serve.
    ///
    /// # Panics
    /// If they do not come.
    pub fn reload(&self) {
        let before: Vec<i32> = self.workers().iter().map(|worker| worker.pid).collect();
        self.master().signal(Signal::HUP);
        wait_for("workers after a reload", PATIENCE, || {
            self.workers().iter().any(|worker| !before.contains(&worker.pid)).then_some(())
        });
    }

    /// Whether nothing in the error log tells of a process that crashed or of a request that was lost.
    ///
    /// # Panics
    /// If there is such a line, which it shows.
    pub fn assert_healthy(&self) {
        let log = self.log();
        // A socket that nobody listens on is what some tests are about.
        let is_bad = |line: &&str| {
            (["[alert]", "[crit]", "exited on signal"].iter().any(|word| line.contains(word)))
                && !line.contains("connect() to unix:")
        };
        let bad: Vec<&str> = log.lines().filter(is_bad).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

fn image(edition: Edition) -> String {
    format!("nginx-{}-{}", edition.version, edition.arch)
}

/// A folder with all that nginx reads, and where nginx sees its configuration.
fn lay_out(edition: Edition, setup: &Setup) -> Result<(TempDir, String), Missing> {
    let module = module(Edition { version: setup.module_for.unwrap_or(edition.version), ..edition })?;
    let folder = tempfile::Builder::new().prefix("nginx-").tempdir().expect("a temporary folder");
    // Plugins are trusted only where nobody else can write.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder of our own");
    let built =
        if setup.loads_before_fork { format!("load-before-fork/{MODULE}") } else { MODULE.to_owned() };
    let resolvers = [RESOLVER, "snapshot.so", "socket.so"].map(|name| (name, name));
    for (built, name) in [(built.as_str(), MODULE)].into_iter().chain(resolvers) {
        let file = folder.path().join(name);
        fs::copy(module.with_file_name(built), &file).expect("a file that was just built");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a file of our own");
    }
    if setup.resolver_aborts {
        mark_as_aborting(&folder.path().join(RESOLVER));
    }
    let mark = folder.path().file_name().expect("a folder has a name").to_string_lossy().into_owned();
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a folder of our own");
    write("script.json", &setup.script.to_string());
    for (name, text) in &setup.files {
        write(name, text);
    }
    write(&format!("{mark}.conf"), &setup.configuration());
    Ok((folder, format!("{MOUNTED}/{mark}.conf")))
}

/// Has a plugin's note say what that of one says which is built with `panic = "abort"`: see plugins/abi/SPEC.md, section 2.
fn mark_as_aborting(plugin: &Path) {
    const TYPE_AND_OWNER: &[u8] = b"\x01\0\0\0Dynlab\0\0";
    // From the note's type to the field `profile`, and how long that is.
    const TO_PROFILE: usize = 348 - 8;
    const PROFILE_LENGTH: usize = 16;
    let mut bytes = fs::read(plugin).expect("a file of our own");
    let note = bytes.windows(TYPE_AND_OWNER.len()).position(|found| found == TYPE_AND_OWNER);
    let profile = &mut bytes[note.expect("a plugin has a note") + TO_PROFILE..][..PROFILE_LENGTH];
    let end = profile.iter().position(|byte| *byte == 0).expect("NUL ends a text in a note");
    profile[end..][..6].copy_from_slice(b"+abort");
    fs::write(plugin, bytes).expect("a file of our own");
}

/// The module for that nginx, built once a process.
fn module(edition: Edition) -> Result<PathBuf, Missing> {
    static BUILT: Mutex<Option<HashMap<Edition, Result<PathBuf, Missing>>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    built
        .entry(edition)
        .or_insert_with(|| {
            let words = ["nginx", "--nginx", edition.version, "--arch", edition.arch];
            ask_xtask(&words).map(|printed| PathBuf::from(printed.trim()))
        })
        .clone()
}
