//! Servers with more and more connections, all of them busy.

use anyhow::Result;

use super::{Step, Steps, command, load, metrics};
use crate::bench::bed::Bed;
use crate::bench::http_suite::HttpSubject;
use crate::bench::suites::programs::{NGINX, ask_ip, nginx_for};
use crate::bench::suites::server::with_ip;

const NUMBERS: [u32; 7] = [1, 4, 16, 64, 256, 1024, 4096];
/// Enough to see where the lines part; each step takes its seconds.
const NUMBERS_OF_PEER: [u32; 3] = [1, 64, 4096];
/// The most that there is, to prove that so many files may be open.
const NUMBERS_OF_QUICK: [u32; 2] = [1, 4096];

/// Steps of connections, of the server and of a peer.
pub(super) fn steps<'a>(bed: &'a Bed<'_>) -> Result<Steps<'a>> {
    let of = |all: &'static [u32]| if bed.quick { &NUMBERS_OF_QUICK[..] } else { all };
    let server = with_ip(bed)?;
    let mut steps = Vec::new();
    for &number in of(&NUMBERS) {
        let is = format!("`dyn-server` with the plugin `ip`; connections: {number}");
        let subject = HttpSubject::new("dyn-server", is, server.clone(), ask_ip());
        steps.push(Step::of_server(bed, number, subject, load(bed, number as usize, SECONDS)));
    }
    for &number in of(&NUMBERS_OF_PEER) {
        let is = format!("nginx, `return 200`; connections: {number}");
        let subject = HttpSubject::new("nginx", is, nginx_for(bed, PLACES, "", RETURN), ask_ip());
        let load = load(bed, number as usize, SECONDS);
        steps.push(Step::of_server(bed, number, subject.of_image(NGINX), load));
    }
    let shown = load(bed, 64, SECONDS);
    Ok(Steps {
        series: "connections",
        how: format!(
            "wrk keeps so many connections, of which each sends its next request as soon as the last is answered, for {} s. Making them is in it. With more connections each one \
             waits longer for its turn, whatever the server does: p99 says how evenly turns are given.",
            shown.seconds
        ),
        command: command(&shown, &ask_ip()),
        metrics: metrics(),
        axis: "connections",
        steps,
        noise: true,
    })
}

const SECONDS: u32 = 2;
/// nginx' connections of a worker, its own sockets among them, and the queue of those who wait to be taken.
const PLACES: usize = 8192;
const RETURN: &str = "default_type application/json;\n\
    server { listen 127.0.0.1:8080 reuseport backlog=4096; location = /ip { return 200 '{\"ip\": \"$remote_addr\"}'; } }\n";
