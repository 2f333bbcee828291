//! What `cargo xtask matrix` prints when it is done; fits 80 columns.

use std::fmt::Write as _;

use super::cell::OUTCOMES;
use super::markdown::compilers::{cells_of, host_compilers};
use super::report::{Report, ScenarioRow};
use crate::columns::paragraph;

/// Disagreements that are shown; the report has all of them.
const SHOWN: usize = 20;

/// The summary of `report`; odd is a cell in which prediction, observation and expectation do not agree.
pub(crate) fn render(report: &Report) -> String {
    let mut text = title("HOST", "C LIBRARY");
    for host in &report.hosts {
        let cells = report.cells.iter().filter(|cell| cell.host == host.name);
        row(&mut text, &host.name, &host.libc_name(), cells.map(|cell| (cell.observed.as_str(), cell.agree)));
    }
    for nginx in &report.nginxes {
        let cells = report.module_cells.iter().filter(|cell| cell.host == nginx.name);
        row(&mut text, &nginx.name, &nginx.libc, cells.map(|cell| (cell.observed.as_str(), cell.agree)));
    }
    scenarios(&mut text, report);
    compilers(&mut text, report);
    let odd = report.odd_cells();
    for cell in odd.iter().take(SHOWN) {
        let _ = writeln!(text, "\n{}", cell.subject);
        paragraph(&mut text, 2, "", &format!("in {}: {}", cell.host, cell.disagreements.join("; ")));
    }
    if odd.len() > SHOWN {
        let _ = writeln!(text, "\n... and {} more", odd.len() - SHOWN);
    }
    let rows = match report.scenarios.len() {
        0 => format!("{} artifacts", report.artifacts.len()),
        count => format!("({} artifacts + {count} servers)", report.artifacts.len()),
    };
    let modules = match report.nginxes.len() {
        0 => String::new(),
        count => format!(", {count} nginx x {} modules", report.modules.len()),
    };
    let compilers = match report.compiler_axis.cells.len() {
        0 => String::new(),
        // On a line of its own, as the one before is long enough.
        count => format!(",\n{count} loads by compilers"),
    };
    let _ = writeln!(
        text,
        "\n{} hosts x {rows}{modules}{compilers};\npredicted = observed = expected in {} of {} cells.",
        report.hosts.len(),
        report.cell_count() - odd.len(),
        report.cell_count()
    );
    text
}

/// A row for each server that was driven, with the hosts counted in which it did what.
fn scenarios(text: &mut String, report: &Report) {
    if !report.scenarios.is_empty() {
        text.push('\n');
        text.push_str(&title("SERVER", "PLUGINS"));
    }
    for ScenarioRow { name, plugins, everything, .. } in &report.scenarios {
        let plugins = match plugins.as_slice() {
            [] if *everything => "everything".to_owned(),
            [] => "linked".to_owned(),
            [one] => one.clone(),
            more => format!("{} files", more.len()),
        };
        let cells = report.scenario_cells.iter().filter(|cell| cell.scenario == *name);
        row(text, name, &plugins, cells.map(|cell| (cell.observed.as_str(), cell.agree)));
    }
}

/// A row for each compiler of plugins with each of hosts, with the loads counted that came to what.
fn compilers(text: &mut String, report: &Report) {
    let axis = &report.compiler_axis;
    let mut title = title("PLUGINS BY", "HOSTS BY");
    for compiler in &axis.compilers {
        for host in host_compilers(axis) {
            if !title.is_empty() {
                text.push('\n');
                text.push_str(&std::mem::take(&mut title));
            }
            let cells = cells_of(axis, &compiler.name, host);
            row(text, &compiler.name, host, cells.map(|cell| (cell.observed.as_str(), cell.agree)));
        }
    }
}

fn title(subject: &str, with: &str) -> String {
    format!("{subject:<21} {with:<10} {} ODD\n", OUTCOMES.join(" ").to_uppercase())
}

/// A row under [`title`] that counts `cells`: what was observed in each, and whether it agrees.
fn row<'r>(
    text: &mut String,
    subject: &str,
    with: &str,
    cells: impl Iterator<Item = (&'r str, bool)> + Clone,
) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{subject:<21} {with:<10}");
    for outcome in OUTCOMES {
        let count = cells.clone().filter(|(observed, _)| *observed == outcome).count();
        // As wide as the word above it.
        let _ = write!(text, " {count:>width$}", width = outcome.len());
    }
    let _ = writeln!(text, " {:>3}", cells.filter(|(_, agree)| !agree).count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::compilers::CompilerAxis;

    #[test]
    fn every_server_has_a_row() {
        insta::assert_snapshot!(render(&Report::sample()), @"
        HOST                  C LIBRARY  WORKS REFUSED DECLINED FAILED CRASHED HUNG ODD
        trixie-x86_64-gnu     glibc 2.41     1       1        0      0       0    0   0
        nginx-1.26-x86_64     glibc 2.41     1       1        0      0       1    0   1

        SERVER                PLUGINS    WORKS REFUSED DECLINED FAILED CRASHED HUNG ODD
        dyn-server-ip         ip             1       0        0      0       0    0   0
        static-server-ip      linked         0       0        0      0       1    0   1

        static-server-ip
          in trixie-x86_64-gnu: the server: crashed at stage request (it ended with
          signal: 11), expected works

        nginx-1.26-x86_64/minimal
          in nginx-1.26-x86_64: nginx: crashed (nothing), expected works

        1 hosts x (2 artifacts + 2 servers), 1 nginx x 3 modules;
        predicted = observed = expected in 5 of 7 cells.
        ");
    }

    #[test]
    fn every_pair_of_compilers_has_a_row() {
        let compiler_axis = CompilerAxis::sample();
        insta::assert_snapshot!(render(&Report { compiler_axis, ..Report::default() }), @"
        HOST                  C LIBRARY  WORKS REFUSED DECLINED FAILED CRASHED HUNG ODD

        PLUGINS BY            HOSTS BY   WORKS REFUSED DECLINED FAILED CRASHED HUNG ODD
        rustc-1.63            rustc-1.85     1       1        0      0       1    0   0
        gcc-14                rustc-1.85     0       0        0      1       0    0   1

        x86_64-unknown-linux-gnu/hello-c-gcc-14-release
          in trixie-x86_64-gnu: by the probe of rustc-1.85: the loader alone: failed,
          expected works

        0 hosts x 0 artifacts,
        4 loads by compilers;
        predicted = observed = expected in 3 of 4 cells.
        ");
    }

    #[test]
    fn the_committed_report_is_summed_up_in_eighty_columns() {
        let json = crate::paths::repository().unwrap().join("bench-results/matrix/matrix.json");
        let mut report: Report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let cells = report.cell_count();
        let odd = &mut report.cells[0];
        odd.agree = false;
        odd.disagreements = vec!["predicted one thing, expected another".to_owned(); 3];
        let text = render(&report);
        assert!(text.lines().all(|line| line.chars().count() <= crate::columns::COLUMNS), "{text}");
        assert!(text.ends_with(&format!(" in {} of {cells} cells.\n", cells - 1)), "{text}");
    }
}
