//! What a client sees.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::image::{PATIENCE, Running, TOKEN};
use crate::upstream::Upstream;

#[test]
fn a_host_is_entered_through_nginx_and_served_at_once() {
    let running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let unknown = running.get("www.example.test", "/");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("There is no site at this address"), "{unknown:?}");

    let _upstream = Upstream::listen(&running.path("run/up.sock"));
    assert_eq!(running.enter("WWW.example.test:80", "unix:/run/up.sock").status, 201);
    let known = running.get_once(200, "www.example.test", "/a%20b?c");
    assert_eq!(known.body, "get /a%20b?c http/1.1");

    assert_eq!(running.enter("down.example.test", "unix:/run/nobody.sock").status, 201);
    let down = running.get_once(502, "down.example.test", "/");
    assert!(down.body.contains("The site does not answer"), "{down:?}");
    // The pages themselves are nobody's business.
    assert_eq!(running.get("down.example.test", "/.ngx-backend/502.html").status, 404);
}

#[test]
fn the_api_wants_its_token_from_the_world_and_none_from_root_inside() {
    let running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    assert_eq!(running.get("api.example.test", "/entries.json").status, 401);
    assert_eq!(running.get("api.example.test", "/healthz").status, 200);
    let with_token = format!(
        "GET /entries.json HTTP/1.1\r\nHost: API.example.test\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(running.send(&with_token).status, 200);

    let entry = r#"{"host": "a.test", "backend": "192.0.2.1:80"}"#;
    let entered = running.exec(&["api", "POST", "/entries.json", entry]);
    assert!(entered.status.success(), "{entered:?}");
    let shown = running.exec(&["api", "GET", "/entries/a.test.json"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("192.0.2.1:80"), "{shown:?}");
    let refused = running.exec(&["api", "GET", "/entries/b.test.json"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the daemon answered 404"), "{refused:?}");
    assert!(running.exec(&["healthz"]).status.success());
}

#[test]
fn without_a_token_only_the_inside_changes_anything() {
    let mut running = match Running::start(&[("BACKEND_TOKEN", "")]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    assert_eq!(running.enter("a.test", "192.0.2.1:80").status, 403);
    running.signal("/usr/bin/ngx-backend", rustix::process::Signal::TERM);
    assert!(running.ended().success());
    assert!(
        running.log().contains("neither BACKEND_TOKEN nor BACKEND_TOKEN_FILE is set"),
        "{}",
        running.log()
    );
}

#[test]
fn a_domain_may_be_as_long_as_names_are() {
    let label = "a".repeat(60);
    let domain = [label.as_str(), &label, &label, &label, "test"].join(".");
    let running = match Running::start(&[("DOMAIN", &format!("{domain},b.test"))]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    for domain in [&domain, "b.test"] {
        assert_eq!(running.get(&format!("api.{domain}"), "/healthz").status, 200, "{domain}");
    }
    assert_eq!(running.get("api.example.test", "/healthz").status, 404);
}

#[test]
fn a_websocket_gets_through() {
    let running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let _upstream = Upstream::listen(&running.path("run/up.sock"));
    assert_eq!(running.enter("ws.example.test", "unix:/run/up.sock").status, 201);
    running.get_once(200, "ws.example.test", "/");
    let mut stream = UnixStream::connect(running.path("run/http.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /chat HTTP/1.1\r\nHost: ws.example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    for words in [b"hello", b"again"] {
        stream.write_all(words).unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, words);
    }
}
