//! The plugin through the contract's tables, as a host drives it, against a daemon whose every move the test chooses.

mod daemon;

use daemon::Daemon;
use plugin_host::{CallError, LogLevel, Resolved, ResolverInstance, Status, UpstreamAddress};
use plugin_testing::resolver;
use socket_resolver::PLUGIN;
use std::path::Path;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What is waited for at most; far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn keep(_: &str, level: LogLevel, line: &str) {
    LINES.lock().unwrap().push(format!("{level:?} {line}"));
}

/// What was logged of the daemon at that path.
fn lines(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    LINES.lock().unwrap().iter().filter(|line| line.contains(path)).cloned().collect()
}

fn instance(path: &Path, more: &str) -> ResolverInstance {
    let settings = format!(r#"{{"path": "{}"{more}}}"#, path.display());
    resolver(&PLUGIN, &settings, Some(keep)).unwrap()
}

/// Asks once.
fn ask(resolver: &ResolverInstance, host: &str) -> (Result<Resolved, CallError>, Receiver<()>) {
    let (sender, woken) = channel();
    let started = Instant::now();
    let answer = resolver.resolve(host, Some(Box::new(move || sender.send(()).unwrap_or_default())));
    assert!(started.elapsed() < Duration::from_secs(2), "a call waited");
    (answer, woken)
}

/// Asks, waits as long as it is told to, and asks again.
fn resolve(resolver: &ResolverInstance, host: &str) -> Result<Resolved, CallError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (answer, woken) = ask(resolver, host);
        match answer {
            Ok(Resolved::Pending) => woken.recv_timeout(PATIENCE).expect("whoever is told to wait is woken"),
            answer => return answer,
        }
        assert!(Instant::now() < deadline);
    }
}

fn addresses(resolved: Result<Resolved, CallError>) -> Vec<String> {
    match resolved.unwrap() {
        Resolved::Upstreams(list) => list
            .into_iter()
            .map(|upstream| match upstream.address {
                UpstreamAddress::Ip(address) => format!("{address} {}", upstream.weight),
                UpstreamAddress::Unix => format!("unix:{} {}", upstream.name, upstream.weight),
            })
            .collect(),
        Resolved::NotFound => Vec::new(),
        Resolved::Pending => panic!("still pending"),
    }
}

fn until_away(resolver: &ResolverInstance) -> CallError {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Err(error) = resolver.health() {
            return error;
        }
        assert!(Instant::now() < deadline, "still healthy");
        std::thread::yield_now();
    }
}

fn until_healthy(resolver: &ResolverInstance) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = resolver.health() {
        assert!(Instant::now() < deadline, "{}", error.message);
        std::thread::yield_now();
    }
}

#[test]
fn the_daemon_is_asked_and_its_answers_come_whole() {
    let daemon = Daemon::start(&[("a.example", &["192.0.2.1:80", "[2001:db8::1]:81", "unix:/run/a.sock"])]);
    let resolver = instance(daemon.path(), r#", "timeout-ms": 20000"#);
    until_healthy(&resolver);
    let expected = ["192.0.2.1:80 1", "[2001:db8::1]:81 2", "unix:/run/a.sock 3"];
    assert_eq!(addresses(resolve(&resolver, "a.example")), expected);
    assert_eq!(addresses(resolve(&resolver, "A.example.:80")), expected);
    assert_eq!(resolve(&resolver, "b.example"), Ok(Resolved::NotFound));
    assert_eq!(resolve(&resolver, "no host"), Ok(Resolved::NotFound));
    let logged = lines(daemon.path());
    assert_eq!(logged, [format!("Info connected to the daemon at {}", daemon.path().display())]);
}

#[test]
fn one_question_serves_all_who_wait_and_changes_are_seen_when_the_answer_expires() {
    let daemon = Daemon::start(&[("a", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), r#", "keep-ms": 1000"#);
    daemon.hold();
    let waiting: Vec<_> = (0..100).map(|_| ask(&resolver, "a")).collect();
    assert!(waiting.iter().all(|(answer, _)| *answer == Ok(Resolved::Pending)));
    assert!(waiting.iter().all(|(_, woken)| woken.try_recv().is_err()), "nobody is woken before the answer");
    daemon.release();
    waiting.iter().for_each(|(_, woken)| woken.recv_timeout(PATIENCE).expect("everybody is woken"));
    assert_eq!(addresses(resolve(&resolver, "a")), ["192.0.2.1:80 1"]);
    assert_eq!(daemon.questions(), 1);
    daemon.set(&[("a", &["192.0.2.2:80"])]);
    let changed = Instant::now();
    while addresses(resolve(&resolver, "a")) != ["192.0.2.2:80 1"] {
        assert!(changed.elapsed() < PATIENCE);
    }
}

#[test]
fn a_host_that_cannot_wait_is_answered_when_it_asks_again() {
    let daemon = Daemon::start(&[("a", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), "");
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        match resolver.resolve("a", None) {
            Err(error) => {
                assert_eq!(error.status, Status::UNAVAILABLE);
                assert!(error.message.contains("cannot wait for the answer"), "{}", error.message);
            }
            found => break found,
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(addresses(found), ["192.0.2.1:80 1"]);
}

#[test]
fn a_daemon_that_is_away_fails_calls_at_once_and_is_found_again() {
    let daemon = Daemon::start(&[("a", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), r#", "longest-pause-ms": 20"#);
    assert_eq!(addresses(resolve(&resolver, "a")), ["192.0.2.1:80 1"]);
    let path = daemon.path().to_owned();
    let folder = daemon.stop();
    until_away(&resolver);
    let (answer, _) = ask(&resolver, "b");
    assert_eq!(answer.unwrap_err().status, Status::UNAVAILABLE);
    let again = Daemon::start_in(folder, &[("a", &["192.0.2.7:80"])]);
    assert_eq!(again.path(), path);
    until_healthy(&resolver);
    let deadline = Instant::now() + PATIENCE;
    while resolve(&resolver, "a").map_or(true, |found| addresses(Ok(found)) != ["192.0.2.7:80 1"]) {
        assert!(Instant::now() < deadline);
    }
    let logged = lines(&path);
    let connected = format!("Info connected to the daemon at {}", path.display());
    assert_eq!(logged.iter().filter(|line| **line == connected).count(), 2, "{logged:#?}");
}

#[test]
fn open_questions_of_a_lost_connection_fail_and_wake() {
    let daemon = Daemon::start(&[("a", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), r#", "keep-ms": 3600000"#);
    daemon.hold();
    let (answer, woken) = ask(&resolver, "a");
    assert_eq!(answer, Ok(Resolved::Pending));
    let _folder = daemon.stop();
    woken.recv_timeout(PATIENCE).expect("woken");
    let (answer, _) = ask(&resolver, "a");
    assert_eq!(answer.unwrap_err().status, Status::UNAVAILABLE);
}

#[test]
fn an_answer_that_does_not_come_in_time_ends_the_connection() {
    let daemon = Daemon::start(&[("a", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), r#", "keep-ms": 3600000, "timeout-ms": 50"#);
    until_healthy(&resolver);
    daemon.hold();
    let (answer, woken) = ask(&resolver, "a");
    assert_eq!(answer, Ok(Resolved::Pending));
    woken.recv_timeout(PATIENCE).expect("woken");
    let message = ask(&resolver, "a").0.unwrap_err().message;
    assert!(message.contains("did not answer within 50ms"), "{message}");
    daemon.release();
    until_healthy(&resolver);
}

#[test]
fn questions_beyond_the_bound_are_refused_at_once() {
    let daemon = Daemon::start(&[("h1", &["192.0.2.1:80"])]);
    let resolver = instance(daemon.path(), r#", "most-questions": 10, "timeout-ms": 20000"#);
    daemon.hold();
    let answers: Vec<_> = (0..30).map(|number| ask(&resolver, &format!("h{number}"))).collect();
    let pending = answers.iter().filter(|(answer, _)| *answer == Ok(Resolved::Pending)).count();
    let refused = answers.iter().filter_map(|(answer, _)| answer.as_ref().err());
    assert_eq!(pending, 10);
    assert!(
        refused.clone().count() == 20 && refused.clone().all(|error| error.status == Status::LIMIT_EXCEEDED)
    );
    daemon.release();
    assert_eq!(addresses(resolve(&resolver, "h1")), ["192.0.2.1:80 1"]);
}

#[test]
fn an_instance_ends_while_questions_are_open_and_wakes_who_waits() {
    let daemon = Daemon::start(&[]);
    let resolver = instance(daemon.path(), r#", "timeout-ms": 3600000"#);
    daemon.hold();
    let (answer, woken) = ask(&resolver, "a");
    assert_eq!(answer, Ok(Resolved::Pending));
    drop(resolver);
    woken.try_recv().expect("woken before the end");
}

#[test]
fn what_is_no_daemon_is_named() {
    let daemon = Daemon::start(&[]);
    daemon.greet_with(*b"HTTP/1.1");
    let resolver = instance(daemon.path(), "");
    let reason = until_away(&resolver).message;
    assert!(reason.contains("is no daemon of this version"), "{reason}");
    let nowhere = instance(Path::new("/nowhere/backend.sock"), "");
    let reason = until_away(&nowhere).message;
    assert!(reason.starts_with("cannot reach the daemon at /nowhere/backend.sock: No such file"), "{reason}");
    let logged = lines(Path::new("/nowhere/backend.sock"));
    assert_eq!(logged, [format!("Warn {reason}; trying again until it works")]);
}

#[test]
fn wrong_settings_are_named() {
    for (settings, part) in [
        ("", "path: ``; write the absolute path of the daemon's socket"),
        (r#"{"path": "/s", "keep-ms": 0}"#, "keep-ms: 0; write 1 to 3600000"),
        (r#"{"path": "/s", "timeout-ms": 0}"#, "timeout-ms: 0"),
        (r#"{"path": "/s", "most-questions": 0}"#, "most-questions: 0; write 1 to"),
        (r#"{"socket": "/s"}"#, "unknown field `socket`"),
    ] {
        let error = resolver(&PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}
