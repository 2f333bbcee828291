//! Changes a second in a Redis that keeps everything in memory, beside the GETs that `redis-benchmark` reaches with as many clients. Those of a
//! store on the disk are measured by `cargo xtask bench --suite ngx`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_services::Redis;

/// Of one measurement.
const SPAN: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 5;
/// Of one client in one measurement.
const GETS: usize = 20_000;

fn main() {
    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return println!("skipped: {}", missing.0),
    };
    // As it is meant to be: the copy on a disk, what is published in memory.
    let (folder, memory) = (tempfile::tempdir(), tempfile::tempdir_in("/dev/shm"));
    let (folder, memory) = (folder.expect("a folder"), memory.expect("a folder in memory"));
    let url = format!("redis+unix://{}", redis.socket().display());
    let (mut child, socket) = start(url.as_ref(), folder.path(), memory.path());
    for round in 1..=ROUNDS {
        for clients in [1, 8] {
            let (gets, daemon) = (redis.benchmark(clients, GETS * clients), of_daemon(&socket, clients));
            println!(
                "round {round}, {clients} clients: redis-benchmark {gets:.0} GETs/s; daemon {daemon:.0} changes/s ({:.2})",
                daemon / gets
            );
        }
    }
    println!("{:.2} ms a publication", milliseconds_a_publication(&socket));
    child.kill().expect("a daemon");
    child.wait().expect("an end");
}

fn milliseconds_a_publication(socket: &Path) -> f64 {
    let metrics = ask(&mut connect(socket), "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    let metric = |name: &str| {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse::<f64>().ok()).expect("a number")
    };
    metric("backend_publishing_seconds_total") / metric("backend_publications_total") * 1e3
}

fn of_daemon(socket: &Path, clients: usize) -> f64 {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (over, count) = (&over, &count);
            scope.spawn(move || {
                let mut stream = connect(socket);
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let body = format!(
                        r#"{{"host": "h{}.c{client}.example", "backend": "192.0.2.1:80"}}"#,
                        number % 1_000
                    );
                    let request = format!(
                        "POST /entries.json HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    ask(&mut stream, &request);
                    number += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(SPAN);
        over.store(true, Ordering::Relaxed);
    });
    count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn start(store: &OsStr, folder: &Path, memory: &Path) -> (Child, std::path::PathBuf) {
    let socket = folder.join("api.sock");
    let mut child = Command::new(env!("CARGO_BIN_EXE_backend"))
        .args(["--access-log", "off", "--store"])
        .arg(store)
        .arg("--store-copy")
        .arg(folder.join("copy.redb"))
        .arg("--publish")
        .arg(memory.join("map"))
        .arg("--socket")
        .arg(&socket)
        .stderr(Stdio::piped())
        .spawn()
        .expect("a daemon");
    let mut log = BufReader::new(child.stderr.take().expect("a log")).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("the API is served")), "it does not start");
    // Its log is read to the end, so that it never waits for us.
    std::thread::spawn(move || log.for_each(drop));
    (child, socket)
}

fn connect(socket: &Path) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(socket).expect("a connection"))
}

/// Sends a request and gives the body of the answer, whose length is known.
fn ask(stream: &mut BufReader<UnixStream>, request: &str) -> String {
    stream.get_mut().write_all(request.as_bytes()).expect("it is sent");
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).expect("an answer");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a length");
        }
        if line.starts_with("HTTP/") {
            assert!(line.starts_with("HTTP/1.1 20"), "{line}");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("a text")
}
