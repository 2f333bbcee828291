//! The example configurations: nginx of the image checks them all, and serves by the two that the others are variations of.

use std::fs;
use std::path::Path;

use test_services::wait_for;

use crate::image::{Answer, Beside, PATIENCE, Running, exchange, nginx_checks};
use crate::upstream::Upstream;

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name))
        .expect("an example")
}

/// An nginx with an example, beside a daemon that knows `www.example.com`.
struct Serving {
    _nginx: Beside,
    running: Running,
    _upstream: Upstream,
}

impl Serving {
    fn start(name: &str) -> Option<Serving> {
        let running = match Running::start(&[]) {
            Ok(running) => running,
            Err(missing) => {
                eprintln!("skipped: {}", missing.0);
                return None;
            }
        };
        let upstream = Upstream::listen(&running.path("run/up.sock"));
        assert_eq!(running.enter("www.example.com", "unix:/run/up.sock").status, 201);
        let text = example(name).replace("listen 80 ", "listen unix:/run/example.sock ");
        let serving =
            Serving { _nginx: running.nginx_beside(&text, "example.sock"), running, _upstream: upstream };
        // A worker that found no table when it started looks again.
        wait_for("the entry", PATIENCE, || (serving.get("www.example.com", "/").status == 200).then_some(()));
        Some(serving)
    }

    fn get(&self, host: &str, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(&self.running.path("run/example.sock"), request.as_bytes()).expect("nginx answers")
    }
}

#[test]
fn the_balancer_serves() {
    let Some(serving) = Serving::start("balancer.conf") else { return };
    for number in 0..20 {
        let answer = serving.get("WWW.example.com:80", &format!("/a%20b?{number}"));
        assert_eq!((answer.status, answer.body), (200, format!("get /a%20b?{number} http/1.1")));
    }
    assert_eq!(serving.get("unknown.example.com", "/").status, 404);
    // Nobody is at the first of these.
    let several =
        r#"{"host": "several.example.com", "backend": ["unix:/run/nobody.sock", "unix:/run/up.sock"]}"#;
    assert!(serving.running.exec(&["api", "POST", "/entries.json", several]).status.success());
    wait_for("the change", PATIENCE, || {
        (serving.get("several.example.com", "/").status == 200).then_some(())
    });
    (0..10).for_each(|_| assert_eq!(serving.get("several.example.com", "/").status, 200));
}

#[test]
fn the_variable_serves() {
    let Some(serving) = Serving::start("variable.conf") else { return };
    for path in ["/a?b", "/api/a?b"] {
        let answer = serving.get("www.example.com", path);
        assert_eq!((answer.status, answer.body), (200, format!("get {path} http/1.0")));
    }
    let elsewhere = serving.get("unknown.example.com", "/");
    assert_eq!(elsewhere.status, 302, "{elsewhere:?}");
    assert_eq!(serving.get("unknown.example.com", "/api/a").status, 503);
    for host in ["www.example.com", "unknown.example.com"] {
        assert_eq!(serving.get(host, "/robots.txt").body, "User-agent: *\nAllow: /\n");
    }
}

fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = fs::read_dir(&folder).expect("the examples").map(|entry| entry.expect("one").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
    let read = |path: &Path| fs::read_to_string(path).expect("an example can be read");
    files
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), read(&path)))
        .collect()
}

#[test]
fn nginx_takes_them_all() {
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for (name, text) in examples {
        // Ports below 1024 take a capability that the sandbox does not give.
        let text = text.replace("listen 80 ", "listen 8081 ").replace("listen 80;", "listen 8081;");
        match nginx_checks(&text.replace("listen 443 ", "listen 8443 ")) {
            Ok((taken, words)) => {
                assert!(taken, "{name}: {words}");
                assert!(!words.contains("[warn]"), "{name}: {words}");
            }
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

#[test]
fn nginx_would_not_take_just_anything() {
    match nginx_checks("set_backend_map /run/backend/map;") {
        Ok((taken, words)) => assert!(!taken && words.contains("set_backend_map stands behind"), "{words}"),
        Err(missing) => eprintln!("skipped: {}", missing.0),
    }
}

#[test]
fn the_list_of_examples_is_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    for (name, _) in examples() {
        assert!(list.contains(&format!("[{name}]({name})")), "{name}");
    }
}
