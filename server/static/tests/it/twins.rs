//! Requests to both servers, and what differs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::lab::{Server, dyn_server, plugins, static_server};

/// Every middleware, with settings under which answers are the same each time.
const ALL_MIDDLEWARES: &str = r#"
middleware-order = ["request-id", "rate-limit", "cors", "compress"]
[middlewares.request-id.settings]
trust = true
[middlewares.rate-limit.settings]
rate = 0.001
burst = 20
[middlewares.cors.settings]
origins = ["https://example.net"]
[middlewares.compress.settings]
smallest = 1
"#;

/// Good requests, bad ones and what is no HTTP.
const REQUESTS: &[&str] = &[
    "GET /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.0\r\n\r\n",
    "HEAD /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip?query HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\n\r\nHEAD /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nhost: x\r\nx-request-id: given\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nhost: x\r\nx-request-id: given\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nhost: x\r\nx-request-id: given\r\naccept-encoding: zstd\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nhost: x\r\nx-request-id: given\r\norigin: https://example.net\r\nconnection: close\r\n\r\n",
    "OPTIONS /ip HTTP/1.1\r\nhost: x\r\nx-request-id: given\r\norigin: https://example.net\r\naccess-control-request-method: GET\r\nconnection: close\r\n\r\n",
    "POST /ip HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    "OPTIONS /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "BREW /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /headers HTTP/1.1\r\nhost: x\r\nx-twice: 1\r\nx-twice: 2\r\nconnection: close\r\n\r\n",
    "POST /echo/a%20b?c HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    "POST /echo/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "POST /echo/ HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nconnection: close\r\n\r\n",
    "GET /static/page.html HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /static/page.html HTTP/1.1\r\nhost: x\r\nrange: bytes=1-3\r\nconnection: close\r\n\r\n",
    "GET /static/../page.html HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /static/no.html HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "GET /ip HTTP/1.1\r\nbad header\r\n\r\n",
    "GET /ip HTTP/9.9\r\n\r\n",
    "nonsense\r\n\r\n",
];

/// Sends raw bytes, and gives all that comes until the server closes, but for the date.
fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = stream.read_to_end(&mut answer);
    let answer = answer.escape_ascii().to_string().replace("\\r\\n", "\n");
    let lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.join("\n")
}

#[test]
fn the_linked_handler_answers_a_client() {
    let mut server = static_server("");
    let line = server.wait_for_log("msg=loaded plugin=ip ");
    assert!(line.contains(" path=linked "), "{line}");
    let response = reqwest::blocking::get(format!("http://{}/ip", server.address)).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().unwrap(), r#"{"ip": "127.0.0.1"}"#);
    // Nothing that could be a plugin was loaded into it: what is executable is in files of the system and its own.
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.id())).unwrap();
    assert!(!maps.contains("memfd:"), "{maps}");
}

#[test]
fn every_plugin_of_the_workspace_is_linked() {
    let middlewares = plugins().into_iter().filter(|plugin| plugin.folder == "middlewares");
    let config: String = middlewares.map(|plugin| format!("[middlewares.{}]\n", plugin.name)).collect();
    let mut server = static_server(&config);
    for plugin in plugins() {
        // Without its settings one or the other refuses; then it is named, too.
        let is_named = |line: &str| {
            line.contains(&format!("plugin={} ", plugin.name))
                || line.contains(&format!("path={} ", plugin.name))
        };
        server.wait_for_line(is_named, &plugin.name);
    }
}

#[test]
fn handlers_answer_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), "<p>hello").unwrap();
    let config = format!("[handlers.static-files.settings]\nfolder = {:?}\n", folder.path());
    let (linked, loaded) = (static_server(&config), dyn_server(&config));
    for request in REQUESTS {
        let answers = [&linked, &loaded].map(|server| exchange(server, request));
        assert!(!answers[0].is_empty(), "no answer to {request:?}");
        assert_eq!(answers[0], answers[1], "static and dynamic server on {request:?}");
    }
    let page = exchange(&linked, "GET /static/page.html HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(page.ends_with("<p>hello"), "{page}");
}

#[test]
fn middlewares_answer_the_same_bytes() {
    // Over and over, until the limit is passed.
    let (linked, loaded) = (static_server(ALL_MIDDLEWARES), dyn_server(ALL_MIDDLEWARES));
    for request in REQUESTS.iter().filter(|request| request.contains("x-request-id: given")).cycle().take(25)
    {
        let answers = [&linked, &loaded].map(|server| exchange(server, request));
        assert_eq!(answers[0], answers[1], "static and dynamic server on {request:?}");
    }
    let over = exchange(&linked, REQUESTS[5]);
    assert!(over.starts_with("HTTP/1.1 429 "), "{over}");
}

#[test]
fn middlewares_take_part_only_if_the_configuration_names_them() {
    let some = "[middlewares.request-id.settings]\ntrust = true\n";
    for (config, expected) in [("", false), (some, true)] {
        let server = static_server(config);
        let answer = exchange(&server, REQUESTS[5]);
        assert_eq!(answer.contains("x-request-id: given"), expected, "{config:?}: {answer}");
        let log = server.stop();
        assert!(!log.contains("plugin=cors"), "{log}");
    }
}
