//! One run: what it says first, its goals, and all tables and plots of its suites.

use std::collections::BTreeMap;

use super::markup::Markup;
use crate::bench::raw::{Series, Suite};
use crate::bench::report::{self, Part, Table};
use crate::bench::run::Run;
use crate::bench::{goals, plots};

/// Writes the part of `run`.
pub(super) fn render(page: &mut Markup, run: &Run) {
    let name = run.environment.run_name();
    let plots = plots::of_run(run);
    page.element("section", &[("id", &name), ("class", "run")], |page| {
        page.leaf("h2", &[], &name);
        for (title, remark) in report::remarks(run) {
            page.leaf("p", &[("class", "remark")], &format!("{title}: {remark}"));
        }
        page.element("nav", &[("aria-label", &format!("Suites of {name}"))], |page| {
            page.element("ul", &[], |page| {
                for suite in &run.suites {
                    page.element("li", &[], |page| {
                        page.leaf("a", &[("href", &format!("#{}", id(&name, suite)))], &suite.name);
                    });
                }
            });
        });
        goal_part(page, run);
        for suite in &run.suites {
            suite_part(page, &id(&name, suite), suite, &plots);
        }
        page.leaf("h3", &[], "Machine and inputs");
        page.table(&machine(run), &plain);
    });
}

/// Where a suite of a run is on the page.
fn id(run: &str, suite: &Suite) -> String {
    format!("{run}-{}", suite.name)
}

fn goal_part(page: &mut Markup, run: &Run) {
    let outcomes = goals::of_run(run);
    if outcomes.is_empty() {
        return;
    }
    page.leaf("h3", &[], "Goals");
    page.leaf("p", &[], goals::HOW);
    page.table(
        &Table { caption: "Figures that were promised".to_owned(), ..goals::table(&outcomes) },
        &plain,
    );
    for (goals, tried) in goals::tried(&outcomes) {
        page.element("details", &[], |page| {
            page.leaf("summary", &[], &format!("What was tried for {goals}"));
            page.leaf("p", &[], tried);
        });
    }
}

fn suite_part(page: &mut Markup, id: &str, suite: &Suite, plots: &BTreeMap<String, String>) {
    page.leaf("h3", &[("id", id)], &suite.name);
    page.leaf("p", &[], &suite.question);
    let answers = report::answers(suite);
    if !answers.is_empty() {
        page.leaf("p", &[], "In short:");
        page.element("ul", &[], |page| {
            for answer in &answers {
                page.leaf("li", &[], answer);
            }
        });
    }
    page.element("details", &[], |page| {
        page.leaf("summary", &[], "What was measured");
        page.table(
            &Table { caption: format!("Subjects of {}", suite.name), ..report::subjects(suite) },
            &plain,
        );
    });
    for series in &suite.series {
        series_part(page, suite, series, plots);
    }
}

fn series_part(page: &mut Markup, suite: &Suite, series: &Series, plots: &BTreeMap<String, String>) {
    page.leaf("h4", &[], &format!("{}: {}", suite.name, series.name));
    page.leaf("p", &[], &series.how);
    if !series.command.is_empty() {
        page.leaf("pre", &[], &series.command.join(" "));
    }
    for part in report::of_series(suite, series) {
        match part {
            Part::Failures(failures) => {
                page.leaf("p", &[("class", "remark")], "Samples that failed and count nowhere:");
                page.element("ul", &[], |page| {
                    for failure in &failures {
                        page.leaf("li", &[], failure);
                    }
                });
            }
            Part::Table(table) => {
                let caption = format!("{}, {}: {}", suite.name, series.name, table.caption);
                page.table(&Table { caption, ..table }, &plain);
            }
            Part::Plot { name, shows } => {
                let Some(svg) = plots.get(&name) else { continue };
                let of = format!("{shows}: {}, {}", suite.name, series.name);
                page.element(
                    "div",
                    &[("class", "wide"), ("role", "group"), ("aria-label", &of), ("tabindex", "0")],
                    |page| {
                        page.raw(&plots::inline(svg));
                    },
                );
            }
        }
    }
}

fn machine(run: &Run) -> Table {
    let mut table = Table::new("Machine and inputs", &["what", "which"]);
    table.add_words(run.environment.rows().into_iter().map(|(name, value)| [name.to_owned(), value]));
    table.add_words(
        run.environment
            .images
            .iter()
            .map(|(image, digest)| [format!("image {image}"), format!("`{digest}`")]),
    );
    table
}

/// The name of a row as it is.
fn plain(page: &mut Markup, name: &str) {
    page.leaf("span", &[], name);
}
