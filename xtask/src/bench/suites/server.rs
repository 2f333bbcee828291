//! What a plugin costs a web server, and where that server stands among others.

use anyhow::Result;
use bench_driver::{Ask, Copy, Program, TextFile};

use crate::bench::bed::Bed;
use crate::bench::http_suite::{HttpSubject, HttpSuite};

const NGINX: &str = "peer-nginx";
const EPOLL: &str = "peer-epoll";
pub(super) const GO: &str = "peer-go";

/// Images of peers.
pub(super) const PEERS: &[&str] = &[NGINX, EPOLL, GO];

const PORT: &str = "8080";
const PLUGIN_ROOT: &str = "/tmp/plugins";
const CONFIG: &str = "/tmp/server.toml";

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<HttpSuite> {
    Ok(HttpSuite {
        name: "server",
        question: "What does it cost that a handler is a plugin, what do four middlewares cost, and how far is that from what \
                   others do on this machine? Everybody answers `GET /ip` with the caller's address.",
        ask: Ask {
            address: ([127, 0, 0, 1], 8080).into(),
            path: "/ip".to_owned(),
            content_type: "application/json".to_owned(),
            body: r#"{"ip": "127.0.0.1"}"#.to_owned(),
        },
        connections: 64,
        subjects: vec![
            HttpSubject {
                name: "dynamic",
                is: "`dyn-server` with the plugin `ip`",
                program: ours(bed, "dyn-server", &[("handlers", "ip")], "")?,
                image: None,
            },
            HttpSubject {
                name: "static",
                is: "`static-server`, the same with `ip` linked in",
                program: ours(bed, "static-server", &[], "")?,
                image: None,
            },
            HttpSubject {
                name: "dynamic-4",
                is: "`dyn-server` with `ip` and the middlewares request-id, cors, rate-limit and compress",
                program: ours(bed, "dyn-server", &WITH_MIDDLEWARES, MIDDLEWARES)?,
                image: None,
            },
            HttpSubject { name: "nginx", is: "nginx, `return 200`", program: nginx(bed), image: Some(NGINX) },
            HttpSubject {
                name: "epoll",
                is: "a loop around epoll that sends a constant: the limit",
                program: peer(
                    bed,
                    EPOLL,
                    "usr/bin/epoll-server",
                    &[PORT.to_owned(), bed.server_cores.len().to_string()],
                ),
                image: Some(EPOLL),
            },
            HttpSubject {
                name: "go-dynamic",
                is: "Go's net/http, the handler in a plugin of `-buildmode=plugin`",
                program: peer(
                    bed,
                    GO,
                    "usr/bin/go-dynamic",
                    &[PORT.to_owned(), bed.peer(GO, "usr/lib/peer/ip.so")],
                ),
                image: Some(GO),
            },
            HttpSubject {
                name: "go-static",
                is: "Go's net/http, the same handler linked in",
                program: peer(bed, GO, "usr/bin/go-static", &[PORT.to_owned()]),
                image: Some(GO),
            },
            HttpSubject {
                name: "go-prefork",
                is: "Go's net/http, a process for each core, which share the port",
                program: peer(
                    bed,
                    GO,
                    "usr/bin/go-prefork",
                    &[PORT.to_owned(), bed.server_cores.len().to_string()],
                ),
                image: Some(GO),
            },
        ],
        comparisons: &[
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

fn nginx(bed: &Bed<'_>) -> Program {
    const CONFIG: &str = "/tmp/nginx/nginx.conf";
    let config = format!(
        "user root; daemon off; pid /tmp/nginx/pid; error_log stderr error; worker_processes {};\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off; keepalive_requests 1000000000; default_type application/json;\n\
         client_body_temp_path /tmp/nginx/1; proxy_temp_path /tmp/nginx/2; fastcgi_temp_path /tmp/nginx/3;\n\
         uwsgi_temp_path /tmp/nginx/4; scgi_temp_path /tmp/nginx/5;\n\
         server {{ listen 127.0.0.1:{PORT} reuseport; location = /ip {{ return 200 '{{\"ip\": \"$remote_addr\"}}'; }} }}\n\
         }}\n",
        bed.server_cores.len()
    );
    let texts = vec![TextFile { path: CONFIG.to_owned(), text: config }];
    let arguments = ["-e", "stderr", "-p", "/tmp/nginx", "-c", CONFIG].map(str::to_owned);
    Program { texts, ..peer(bed, NGINX, "usr/sbin/nginx", &arguments) }
}

/// A program of a peer's image, with the libraries of that image.
fn peer(bed: &Bed<'_>, image: &str, program: &str, arguments: &[String]) -> Program {
    let mut argv = vec![bed.peer(image, program)];
    argv.extend_from_slice(arguments);
    Program { argv, env: [libraries(bed, image)].into(), ..foreground() }
}

/// The variable that has a peer's program find the libraries of its own image.
pub(super) fn libraries(bed: &Bed<'_>, image: &str) -> (String, String) {
    let folder = bed.peer(image, &format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    ("LD_LIBRARY_PATH".to_owned(), folder)
}

fn foreground() -> Program {
    Program { patience_seconds: 20.0, ..Program::default() }
}
