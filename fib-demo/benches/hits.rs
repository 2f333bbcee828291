//! Cached hits a second: those of memory beside answers of `dyn-server`'s `/ip`, those of Redis beside what `redis-benchmark` gets without
//! pipelining, over as many connections.
//!
//! `cargo bench --package fib-demo`. Needs `wrk` on the PATH, and for Redis what the tests need. Rounds alternate, so that a busy
//! machine slows all; all share its cores. Both sides reach Redis over its unix socket.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use test_services::Redis;

const CONNECTIONS: usize = 64;
const SECONDS: usize = 3;
const ROUNDS: usize = 7;
/// GETs of `redis-benchmark` in a round, about as many seconds.
const GETS: usize = 500_000;

fn main() {
    if Command::new("wrk").arg("--version").output().is_err() {
        return println!("skipped: there is no wrk on the PATH; Debian has it in its package wrk");
    }
    let built = build();
    let plugin = |name: &str| format!("--cache-plugin-path={}", built.join(name).display());
    // Nothing expires meanwhile.
    let lasting = ["--port", "0", "--cache-expiration", "1440m"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ip = Server::start(
        Command::new(built.join("dyn-server")).args(["--port", "0"]).arg("--plugin-root").arg({
            let handlers = folder.path().join("handlers");
            fs::create_dir(&handlers).expect("a folder");
            fs::copy(built.join("libip_handler.so"), handlers.join("ip.so")).expect("the handler");
            fs::set_permissions(handlers.join("ip.so"), fs::Permissions::from_mode(0o644)).expect("its mode");
            folder.path()
        }),
    );
    let program = env!("CARGO_BIN_EXE_fib-demo");
    let memory = Server::start(Command::new(program).args(lasting).arg(plugin("libmemory_cache.so")));
    compare("memory", "/ip", || memory.rate("/fib/30"), || ip.rate("/ip"));

    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return println!("skipped: {}", missing.0),
    };
    redis.command(&["SET", "key:__rand_int__", "xxx"]);
    let mut command = Command::new(program);
    command.args(lasting).arg(plugin("libredis_cache.so"));
    let shared = Server::start(command.env("REDIS_ADDR", format!("unix://{}", redis.socket().display())));
    let benchmark = || redis.benchmark(CONNECTIONS, GETS);
    compare("redis", "redis-benchmark", || shared.rate("/fib/30"), benchmark);
}

fn compare(name: &str, other: &str, this: impl Fn() -> f64, that: impl Fn() -> f64) {
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (this, that) = (this(), that());
            println!(
                "{CONNECTIONS} connections: {name} {this:.0}/s, {other} {that:.0}/s, ratio {:.2}",
                this / that
            );
            this / that
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("{name} / {other}: median {:.2} of {ROUNDS} rounds", ratios[ROUNDS / 2]);
}

/// Builds what is compared and plugged in, beside the program; gives the folder.
fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_fib-demo")).parent().expect("a folder");
    let packages = ["server", "ip-handler", "memory-cache", "redis-cache"];
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "--locked", "--target-dir"]);
    cargo.arg(folder.parent().expect("a target folder"));
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    assert!(cargo.status().expect("cargo runs").success(), "{cargo:?} failed");
    folder.to_owned()
}

/// A program that serves. Killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        command.env("SERVER_ADMIN", "off").env("FIB_ADMIN", "off").stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("msg=listening")).expect("it listens");
        let address = line.split(' ').find_map(|word| word.strip_prefix("address=")).expect("an address");
        let address = address.parse().expect("an address");
        // It logs each answer, as it does wherever it is used.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Answers a second.
    fn rate(&self, path: &str) -> f64 {
        let output = Command::new("wrk")
            .args(["-t2".to_owned(), format!("-c{CONNECTIONS}"), format!("-d{SECONDS}s")])
            .arg(format!("http://{}{path}", self.address))
            .output()
            .expect("wrk runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).expect("a rate");
        rate.trim().parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
