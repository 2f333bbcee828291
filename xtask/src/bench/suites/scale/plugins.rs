//! A server with more and more plugins, each a file, a name and a route of its own.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use bench_driver::{Program, TextFile};

use super::{Step, Steps, command, load, metrics};
use crate::bench::bed::Bed;
use crate::bench::http_suite::HttpSubject;
use crate::bench::metric::Metric;
use crate::bench::suites::programs::{PORT, ask, foreground};

const NUMBERS: [u32; 4] = [1, 10, 100, 1000];
const NUMBERS_OF_QUICK: [u32; 2] = [1, 20];
const CONFIG: &str = "/tmp/server.toml";
const CONNECTIONS: usize = 64;
/// A thousand plugins are tried, each in a process of its own, before the server listens; on a slow machine, too.
const PATIENCE_SECONDS: f64 = 90.0;

/// Steps of the server's plugins.
pub(super) fn steps<'a>(bed: &'a Bed<'_>) -> Result<Steps<'a>> {
    let numbers = if bed.quick { &NUMBERS_OF_QUICK[..] } else { &NUMBERS };
    let load = load(bed, CONNECTIONS, 1);
    let mut steps = Vec::new();
    for &number in numbers {
        let subject = with_plugins(bed, number)?;
        steps.push(Step::of_server(bed, number, subject, load.clone()));
    }
    Ok(Steps {
        series: "plugins",
        how: format!(
            "The plugins are copies of `ip`, each a file with a name, a digest and a route of its own; the last of them is asked. wrk keeps {CONNECTIONS} connections \
             busy for {} s. The time until the server answers is in it, too: each plugin is judged, tried in another process, loaded and made an instance.",
            load.seconds
        ),
        command: command(&load, &ask_plugin(0)),
        metrics: [metrics(), vec![Metric::StartSeconds]].concat(),
        axis: "plugins",
        steps,
        noise: true,
    })
}

/// `dyn-server` with so many plugins.
fn with_plugins(bed: &Bed<'_>, number: u32) -> Result<HttpSubject> {
    let root = bed.prepared(&format!("plugins-{number}"));
    let bench = bed.program("plugin-bench")?;
    let words = [&bench, "copies", &number.to_string(), &bed.program("ip")?, &format!("{root}/handlers")];
    bed.run(&words.map(str::to_owned), &Default::default()).context("writing copies of a plugin")?;
    let words =
        ["--port", PORT, "--admin", "off", "--access-log", "off", "--config", CONFIG, "--plugin-root", &root];
    let mut argv = vec![bed.program("dyn-server")?];
    argv.extend(words.map(str::to_owned));
    let texts = vec![TextFile { path: CONFIG.to_owned(), text: routes(number) }];
    let program = Program { argv, texts, patience_seconds: PATIENCE_SECONDS, ..foreground() };
    let is = format!("`dyn-server` with plugins: {number}");
    Ok(HttpSubject::new("plugins", is, program, ask_plugin(number - 1)))
}

/// As `plugin-bench` calls its copies.
fn name(number: u32) -> String {
    format!("copy{number:04}")
}

fn ask_plugin(number: u32) -> bench_driver::Ask {
    ask(&format!("/{}", name(number)), "application/json", r#"{"ip": "127.0.0.1"}"#)
}

/// The file that gives each its route: all of them want the same.
fn routes(number: u32) -> String {
    let mut text = String::new();
    for name in (0..number).map(name) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[handlers.{name}]\nmount = \"/{name}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_has_a_route() {
        assert_eq!(
            routes(2),
            "[handlers.copy0000]\nmount = \"/copy0000\"\n[handlers.copy0001]\nmount = \"/copy0001\"\n"
        );
        assert_eq!(ask_plugin(1).path, "/copy0001");
    }
}
