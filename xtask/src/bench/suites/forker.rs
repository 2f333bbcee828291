//! What workers behind one address cost, against servers that do nothing but answer and against others of their kind.

use anyhow::Result;
use bench_driver::{Ask, Program};

use super::programs::{GO, NGINX, ask, foreground, nginx, peer};
use crate::bench::bed::Bed;
use crate::bench::http_suite::{HttpSubject, HttpSuite};

/// Images of peers.
pub(super) const PEERS: &[&str] = &[NGINX, GO];

const LISTEN: &str = "127.0.0.1:8080";
const GREETING: &str = "greeting!!!";

/// How many workers there are where fewer are set against more, and what that is called.
const WORKERS: &[(&str, usize)] = &[
    ("workers-1", 1),
    ("workers-2", 2),
    ("workers-4", 4),
    ("workers-8", 8),
    ("workers-16", 16),
    ("workers-32", 32),
];

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<HttpSuite> {
    let cores = bed.server_cores.len();
    let all = cores.to_string();
    let mut subjects = vec![
        HttpSubject::new(
            "greeting",
            "`forker-greeting`, a worker for each core of servers",
            greeting(bed, cores)?,
            greet(),
        ),
        HttpSubject::new(
            "deferred",
            "the same with `--defer-accept 1`: the kernel hands a connection out with its first request, so that a worker is woken once for both",
            deferred(bed, cores)?,
            greet(),
        ),
        HttpSubject::new(
            "bare-loop",
            "a loop around epoll, no master and no HTTP library: the limit",
            bare(bed, "bare_loop")?,
            greet(),
        ),
        HttpSubject::new("bare-hyper", "hyper, and nothing around it", bare(bed, "bare_hyper")?, greet()),
        HttpSubject::new("nginx", "nginx, `return 200`", nginx(bed, "", &returns()), greet()).of_image(NGINX),
        HttpSubject::new(
            "go-prefork",
            "Go's net/http, a process for each core, which share the port",
            peer(bed, GO, "usr/bin/go-prefork", &["8080".to_owned(), all]),
            greet(),
        )
        .of_image(GO),
    ];
    let mut comparisons = vec![
        ("greeting", "bare-loop"),
        ("greeting", "bare-hyper"),
        ("greeting", "go-prefork"),
        ("greeting", "nginx"),
        // How much of what is promised against Go is within anybody's reach.
        ("bare-loop", "go-prefork"),
        ("deferred", "greeting"),
        ("deferred", "go-prefork"),
        ("greeting", "greeting"),
    ];
    // With one core there is nothing to set against each other.
    for (name, workers) in steps(cores) {
        let is = format!("`forker-greeting` with workers: {workers}");
        subjects.push(HttpSubject::new(name, is, greeting(bed, workers)?, greet()));
        if workers > 1 {
            comparisons.push((name, "workers-1"));
        }
    }
    Ok(HttpSuite {
        name: "forker",
        question: "What does a request cost that goes to one of several workers, on a connection that was just made and on one that stays, and what does each further \
                   worker add? All answer a short constant.",
        connections: 64,
        new_connections: Some(500),
        subjects,
        comparisons,
    })
}

/// Numbers of workers that so many cores can bear, if there is more than one.
fn steps(cores: usize) -> Vec<(&'static str, usize)> {
    if cores < 2 {
        return Vec::new();
    }
    WORKERS.iter().copied().filter(|(_, workers)| *workers <= cores).collect()
}

fn greet() -> Ask {
    ask("/", "text/plain", GREETING)
}

fn greeting(bed: &Bed<'_>, workers: usize) -> Result<Program> {
    let words = ["--listen", LISTEN, "--workers", &workers.to_string()].map(str::to_owned);
    Ok(Program { argv: [vec![bed.program("forker-greeting")?], words.into()].concat(), ..foreground() })
}

fn deferred(bed: &Bed<'_>, workers: usize) -> Result<Program> {
    let mut program = greeting(bed, workers)?;
    program.argv.extend(["--defer-accept", "1"].map(str::to_owned));
    Ok(program)
}

fn bare(bed: &Bed<'_>, program: &str) -> Result<Program> {
    let words = ["--listen", LISTEN, "--processes", &bed.server_cores.len().to_string()].map(str::to_owned);
    Ok(Program { argv: [vec![bed.program(program)?], words.into()].concat(), ..foreground() })
}

fn returns() -> String {
    format!(
        "default_type text/plain;\nserver {{ listen {LISTEN} reuseport backlog=1024; location / {{ return 200 '{GREETING}'; }} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_set_against_one_where_there_are_cores_for_them() {
        assert_eq!(steps(1), []);
        assert_eq!(steps(3), [("workers-1", 1), ("workers-2", 2)]);
        assert_eq!(steps(8).last(), Some(&("workers-8", 8)));
    }
}
