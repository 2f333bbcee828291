//! What a plugin costs a web server, and where that server stands among others.

use anyhow::Result;
use bench_driver::{Copy, Program, TextFile};

use super::programs::{EPOLL, GO, NGINX, PORT, ask_ip, foreground, nginx, peer};
use crate::bench::bed::Bed;
use crate::bench::http_suite::{HttpSubject, HttpSuite};

/// Images of peers.
pub(super) const PEERS: &[&str] = &[NGINX, EPOLL, GO];

const PLUGIN_ROOT: &str = "/tmp/plugins";
const CONFIG: &str = "/tmp/server.toml";

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<HttpSuite> {
    let cores = bed.server_cores.len().to_string();
    let port = PORT.to_owned();
    let of_ours = |name, is: &str, program| HttpSubject::new(name, is, program, ask_ip());
    let of_peer = |name, is: &str, image, file: &str, arguments: &[String]| {
        HttpSubject::new(name, is, peer(bed, image, file, arguments), ask_ip()).of_image(image)
    };
    Ok(HttpSuite {
        name: "server",
        question: "What does it cost that a handler is a plugin, what do four middlewares cost, and how far is that from what \
                   others do on this machine? Everybody answers `GET /ip` with the caller's address.",
        connections: 64,
        new_connections: None,
        subjects: vec![
            of_ours("dynamic", "`dyn-server` with the plugin `ip`", with_ip(bed)?),
            of_ours(
                "static",
                "`static-server`, the same with `ip` linked in",
                ours(bed, "static-server", &[], "")?,
            ),
            of_ours(
                "dynamic-4",
                "`dyn-server` with `ip` and the middlewares request-id, cors, rate-limit and compress",
                ours(bed, "dyn-server", &WITH_MIDDLEWARES, MIDDLEWARES)?,
            ),
            of_ours("nginx", "nginx, `return 200`", nginx(bed, "", RETURN)).of_image(NGINX),
            of_peer(
                "epoll",
                "a loop around epoll that sends a constant: the limit",
                EPOLL,
                "usr/bin/epoll-server",
                &[port.clone(), cores.clone()],
            ),
            of_peer(
                "go-dynamic",
                "Go's net/http, the handler in a plugin of `-buildmode=plugin`",
                GO,
                "usr/bin/go-dynamic",
                &[port.clone(), bed.peer(GO, "usr/lib/peer/ip.so")],
            ),
            of_peer(
                "go-static",
                "Go's net/http, the same handler linked in",
                GO,
                "usr/bin/go-static",
                std::slice::from_ref(&port),
            ),
            of_peer(
                "go-prefork",
                "Go's net/http, a process for each core, which share the port",
                GO,
                "usr/bin/go-prefork",
                &[port, cores],
            ),
        ],
        comparisons: vec![
            ("dynamic", "static"),
            ("dynamic-4", "dynamic"),
            ("dynamic", "nginx"),
            ("dynamic", "epoll"),
            ("dynamic", "go-dynamic"),
            ("go-dynamic", "go-static"),
            ("go-prefork", "go-static"),
            ("static", "static"),
        ],
    })
}

/// `dyn-server` with the plugin `ip` and nothing else.
pub(super) fn with_ip(bed: &Bed<'_>) -> Result<Program> {
    ours(bed, "dyn-server", &[("handlers", "ip")], "")
}

const RETURN: &str = "default_type application/json;\n\
    server { listen 127.0.0.1:8080 reuseport; location = /ip { return 200 '{\"ip\": \"$remote_addr\"}'; } }\n";

const WITH_MIDDLEWARES: [(&str, &str); 5] = [
    ("handlers", "ip"),
    ("middlewares", "request-id"),
    ("middlewares", "cors"),
    ("middlewares", "rate-limit"),
    ("middlewares", "compress"),
];

/// Each does its work on every request and lets it through. Clients here take no compressed answers, as wrk does not.
const MIDDLEWARES: &str = r#"
middleware-order = ["cors", "request-id", "rate-limit", "compress"]

[middlewares.cors]
settings = { origins = ["https://app.example.org"] }

[middlewares.request-id]

[middlewares.rate-limit]
settings = { rate = 1000000 }

[middlewares.compress]
"#;

/// A server of this repository, without its access log, as none of the others writes one.
fn ours(bed: &Bed<'_>, program: &str, plugins: &[(&str, &str)], config: &str) -> Result<Program> {
    let mut argv = vec![bed.program(program)?];
    argv.extend(
        ["--port", PORT, "--admin", "off", "--access-log", "off", "--config", CONFIG].map(str::to_owned),
    );
    let mut copies = Vec::new();
    for (folder, plugin) in plugins {
        copies.push(Copy { from: bed.program(plugin)?, to: format!("{PLUGIN_ROOT}/{folder}/{plugin}.so") });
    }
    if !copies.is_empty() {
        argv.extend(["--plugin-root", PLUGIN_ROOT].map(str::to_owned));
    }
    let texts = vec![TextFile { path: CONFIG.to_owned(), text: config.to_owned() }];
    Ok(Program { argv, texts, copies, ..foreground() })
}
