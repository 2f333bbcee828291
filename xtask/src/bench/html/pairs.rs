//! Two runs side by side: every pair is compared here, with the statistics of `bench compare`, and the script only shows the pair that is chosen.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::markup::Markup;
use crate::bench::compare::{self, CAUTION, Compared};
use crate::bench::report::{Cell, Column, Table};
use crate::bench::run::Run;

/// Of so many runs, the newest, every pair is on the page: it would grow with the square of them all.
const COMPARED: usize = 6;

/// Writes the part; nothing where there is only one run.
pub(super) fn render(page: &mut Markup, runs: &[Run]) {
    let runs = &runs[runs.len().saturating_sub(COMPARED)..];
    let Some((old, new)) = first_choice(runs) else { return };
    page.element("section", &[("id", "compare")], |page| {
        page.leaf("h2", &[], "Two runs side by side");
        page.leaf("p", &[], CAUTION);
        page.leaf(
            "p",
            &[("class", "without-script")],
            "Without its script this page shows one pair; `cargo xtask bench compare RUN RUN` shows any.",
        );
        page.element("form", &[("id", "choice"), ("hidden", "hidden")], |page| {
            choice(page, "old", "Older run", runs, old);
            choice(page, "new", "Newer run", runs, new);
            page.element("p", &[], |page| {
                page.empty("input", &[("type", "checkbox"), ("id", "differing")]);
                page.leaf("label", &[("for", "differing")], "Only significant differences");
            });
        });
        page.element("div", &[("id", "pair"), ("aria-live", "polite")], |page| {
            page.leaf("p", &[("id", "differ")], &compare::differ(&runs[old], &runs[new]));
            page.table(&table(&runs[old], &runs[new]), &|page, name| page.leaf("span", &[], name));
        });
        page.data("pairs", &data(runs));
    });
}

/// The newest run, and the one before it of the same machine and target, else just before it. Places in `runs`.
fn first_choice(runs: &[Run]) -> Option<(usize, usize)> {
    let (newest, earlier) = runs.split_last()?;
    let key = |run: &Run| (run.environment.machine.clone(), run.environment.target.clone());
    let same = earlier.iter().rposition(|run| key(run) == key(newest));
    Some((same.or(earlier.len().checked_sub(1))?, earlier.len()))
}

fn choice(page: &mut Markup, id: &str, label: &str, runs: &[Run], chosen: usize) {
    page.element("p", &[], |page| {
        page.leaf("label", &[("for", id)], label);
        page.element("select", &[("id", id)], |page| {
            for (at, run) in runs.iter().enumerate() {
                let (value, name) = (at.to_string(), run.environment.run_name());
                let chosen: &[(&str, &str)] = if at == chosen { &[("selected", "selected")] } else { &[] };
                page.leaf("option", &[&[("value", value.as_str())], chosen].concat(), &name);
            }
        });
    });
}

fn table(old: &Run, new: &Run) -> Table {
    let caption = format!("{} for each of {}", new.environment.run_name(), old.environment.run_name());
    let mut table = Table::new(&caption, &["subject", "suite", "what"]);
    table.columns.extend([
        Column::figures("samples"),
        Column::figures("ratio (95 % interval)"),
        Column::words("that is"),
    ]);
    for row in compare::rows(old, new) {
        table.rows.push(vec![
            Cell::words(row.subject),
            Cell::words(place(&row)),
            Cell::words(row.metric.label()),
            Cell { text: row.ratio.pairs.to_string(), value: Some(row.ratio.pairs as f64) },
            Cell { text: row.ratio.show(), value: Some(row.ratio.median) },
            Cell::words(row.says()),
        ]);
    }
    table
}

fn place(row: &Compared<'_>) -> String {
    format!("{} {}", row.suite.name, row.series.name)
}

/// What the script shows, a line for each row: the facts of each run, the words that rows have by their numbers, and the rows of each pair, older
/// before newer: subject, suite and series, metric, samples, ratio as it is shown, its median, and what it is in words.
fn data(runs: &[Run]) -> String {
    let mut words = Words::default();
    let mut pairs = Vec::new();
    for new in 1..runs.len() {
        for old in 0..new {
            let rows: Vec<String> = compare::rows(&runs[old], &runs[new])
                .iter()
                .map(|row| {
                    let mut number = |word: String| words.number(word);
                    let (subject, place) = (number(row.subject.to_owned()), number(place(row)));
                    let (metric, says) = (number(row.metric.label().to_owned()), number(row.says()));
                    json!([subject, place, metric, row.ratio.pairs, row.ratio.show(), row.ratio.median, says])
                        .to_string()
                })
                .collect();
            pairs.push(format!("{{\"old\": {old}, \"new\": {new}, \"rows\": [\n{}\n]}}", rows.join(",\n")));
        }
    }
    let runs: Vec<String> = runs
        .iter()
        .map(|run| json!({ "name": run.environment.run_name(), "facts": compare::facts(run) }).to_string())
        .collect();
    let words: Vec<String> = words.0.into_iter().map(|word| Value::String(word).to_string()).collect();
    let mut data = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        data,
        "{{\"runs\": [\n{}\n], \"words\": [\n{}\n], \"pairs\": [\n{}\n]}}",
        runs.join(",\n"),
        words.join(",\n"),
        pairs.join(",\n")
    );
    data
}

/// Each word once.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn number(&mut self, word: String) -> usize {
        self.0.iter().position(|known| *known == word).unwrap_or_else(|| {
            self.0.push(word);
            self.0.len() - 1
        })
    }
}
