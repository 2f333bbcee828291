//! `bench-results/index.html`: all committed runs, for a browser. One file without a network; tables are there without the script, too.
//!
//! Written by hand rather than by a template crate: the few elements take one small writer, which escapes and closes by itself, and lines stay short,
//! so that a page that is stale can be told by its first line that differs.

mod markup;
mod pairs;
mod run_part;

use self::markup::Markup;
use super::plots;
use super::report::{self, Noise, Table};
use super::run::Run;

/// The page, relative to the repository.
pub(crate) const PAGE: &str = "bench-results/index.html";

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// What the page may load: nothing. It has its own style and script in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Renders the page of `runs`, which are ordered from old to new.
pub(crate) fn render(runs: &[Run]) -> String {
    let mut page = Markup::new();
    page.element("html", &[("lang", "en")], |page| {
        page.element("head", &[], head);
        page.element("body", &[], |page| {
            page.element("header", &[], |page| {
                page.leaf("h1", &[], "Benchmark runs");
                page.leaf("p", &[], report::METHOD);
                page.leaf(
                    "p",
                    &[],
                    "Ratios of one run can be compared; absolute figures of different machines cannot.",
                );
            });
            page.element("main", &[], |page| {
                all_runs(page, runs);
                pairs::render(page, runs);
                for run in shown(runs) {
                    run_part::render(page, run);
                }
            });
            page.script("text/javascript", SCRIPT);
        });
    });
    page.finish()
}

fn head(page: &mut Markup) {
    page.empty("meta", &[("charset", "utf-8")]);
    page.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    page.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    page.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    page.leaf("title", &[], "Dynlab: benchmark runs");
    page.style(&format!("{STYLE}{}\n", plots::STYLE));
}

/// The newest of each machine and target, the newest first: a page with all would grow with every run.
fn shown(runs: &[Run]) -> Vec<&Run> {
    let mut shown: Vec<&Run> = Vec::new();
    for run in runs.iter().rev() {
        let of_same = |other: &&Run| {
            other.environment.machine == run.environment.machine
                && other.environment.target == run.environment.target
        };
        if !shown.iter().any(of_same) {
            shown.push(run);
        }
    }
    shown
}

fn all_runs(page: &mut Markup, runs: &[Run]) {
    let shown = shown(runs);
    let mut table = Table::new("All runs", &["run", "processor", "kernel", "revision", "suites", "noisy"]);
    for run in runs.iter().rev() {
        let environment = &run.environment;
        let suites: Vec<&str> = run.suites.iter().map(|suite| suite.name.as_str()).collect();
        let cells = [
            environment.run_name(),
            format!("{}, {} cores", environment.cpu, environment.cores),
            environment.kernel.clone(),
            environment.revision.clone(),
            suites.join(", "),
            match report::noise(run) {
                Noise::Noisy => "noisy",
                Noise::Quiet => "no",
                Noise::Unknown => "cannot tell",
            }
            .to_owned(),
        ];
        table.add_words([cells].into_iter());
    }
    page.element("section", &[("id", "runs")], |page| {
        page.leaf("h2", &[], "Runs");
        page.table(&table, &|page, name| {
            let run = shown.iter().find(|run| run.environment.run_name() == name);
            let link = run.map_or_else(|| format!("runs/{name}/README.md"), |_| format!("#{name}"));
            page.leaf("a", &[("href", &link)], name);
        });
        page.leaf("p", &[], "The newest run of each machine and target is shown below; older ones have pages of their own. `runs/` has all raw samples.");
    });
}

#[cfg(test)]
mod tests;
