//! Changes a second. Durable ones: redb's own, a transaction each; and the daemon's over its API, with one client and with several. And in a Redis that
//! keeps everything in memory, where one can run: the daemon's, beside the GETs that `redis-benchmark` reaches with as many clients.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};
use test_services::Redis;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
/// A round is so many spans of each kind in turn: disks are quick at one moment and slow at the next, and should be so for all.
const SPANS: usize = 15;
const SPAN: Duration = Duration::from_millis(100);
const ROUNDS: usize = 5;
/// Of one client in one measurement.
const GETS: usize = 20_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::create(folder.path().join("own.redb")).expect("a database");
    // As it is meant to be: the store on a disk, what is published in memory.
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let file = folder.path().join("map.redb");
    let (mut child, socket) = start(file.as_os_str(), folder.path(), memory.path());
    for round in 1..=ROUNDS {
        let [own, one, eight] =
            in_turn([&|| of_redb(&database), &|| of_daemon(&socket, 1), &|| of_daemon(&socket, 8)]);
        println!(
            "round {round}: redb {own:.0}/s; daemon {one:.0}/s with 1 client ({:.2}), {eight:.0}/s with 8 ({:.2})",
            one / own,
            eight / own
        );
    }
    println!("{:.2} ms a publication", milliseconds_a_publication(&socket));
    child.kill().expect("a daemon");
    child.wait().expect("an end");
    match Redis::start(&[]) {
        Ok(redis) => in_redis(&redis),
        Err(missing) => println!("skipped: {}", missing.0),
    }
}

fn in_redis(redis: &Redis) {
    let (folder, memory) = (tempfile::tempdir(), tempfile::tempdir_in("/dev/shm"));
    let (folder, memory) = (folder.expect("a folder"), memory.expect("a folder in memory"));
    let url = format!("redis+unix://{}", redis.socket().display());
    let (mut child, socket) = start(url.as_ref(), folder.path(), memory.path());
    for round in 1..=ROUNDS {
        for clients in [1, 8] {
            let (gets, daemon) =
                (redis.benchmark(clients, GETS * clients), in_turn([&|| of_daemon(&socket, clients)])[0]);
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

/// Changes a second of each kind.
fn in_turn<const N: usize>(kinds: [&dyn Fn() -> f64; N]) -> [f64; N] {
    let mut rates = [0.0; N];
    for _ in 0..SPANS {
        rates.iter_mut().zip(kinds).for_each(|(rate, kind)| *rate += kind() / SPANS as f64);
    }
    rates
}

fn of_redb(database: &Database) -> f64 {
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < SPAN {
        let transaction = database.begin_write().expect("a transaction");
        {
            let mut table = transaction.open_table(TABLE).expect("a table");
            let key = format!("h{}.example", count % 1_000);
            table.insert(key.as_bytes(), b"192.0.2.1:80".as_slice()).expect("an entry");
        }
        transaction.commit().expect("a commit");
        count += 1;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
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
