//! What `cargo xtask matrix` prints when it is done; fits 80 columns.

use std::fmt::Write as _;

use super::report::Report;
use crate::columns::paragraph;

/// Disagreements that are shown; the report has all of them.
const SHOWN: usize = 20;

/// The summary of `report`; odd is a cell in which prediction, observation and expectation do not agree.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!(
        "{:<21} {:<10} {:>5} {:>7} {:>8} {:>6} {:>7} {:>4} {:>3}\n",
        "HOST", "C LIBRARY", "WORKS", "REFUSED", "DECLINED", "FAILED", "CRASHED", "HUNG", "ODD"
    );
    for host in &report.hosts {
        let cells = || report.cells.iter().filter(|cell| cell.host == host.name);
        let count = |outcome: &str| cells().filter(|cell| cell.observed == outcome).count();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<21} {:<10} {:>5} {:>7} {:>8} {:>6} {:>7} {:>4} {:>3}",
            host.name,
            host.libc_name(),
            count("works"),
            count("refused"),
            count("declined"),
            count("failed"),
            count("crashed"),
            count("hung"),
            cells().filter(|cell| !cell.agree).count(),
        );
    }
    let odd: Vec<_> = report.cells.iter().filter(|cell| !cell.agree).collect();
    for cell in odd.iter().take(SHOWN) {
        let _ = writeln!(text, "\n{}", cell.artifact);
        paragraph(&mut text, 2, "", &format!("in {}: {}", cell.host, cell.disagreements.join("; ")));
    }
    if odd.len() > SHOWN {
        let _ = writeln!(text, "\n... and {} more", odd.len() - SHOWN);
    }
    let _ = writeln!(
        text,
        "\n{} hosts x {} artifacts; predicted = observed = expected in {} of {} cells.",
        report.hosts.len(),
        report.artifacts.len(),
        report.cells.len() - odd.len(),
        report.cells.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_report_is_summed_up_in_eighty_columns() {
        let json = crate::paths::repository().unwrap().join("bench-results/matrix/matrix.json");
        let mut report: Report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let cells = report.cells.len();
        let odd = &mut report.cells[0];
        odd.agree = false;
        odd.disagreements = vec!["predicted one thing, expected another".to_owned(); 3];
        let text = render(&report);
        assert!(text.lines().all(|line| line.chars().count() <= crate::columns::COLUMNS), "{text}");
        assert!(text.ends_with(&format!("in {} of {cells} cells.\n", cells - 1)), "{text}");
    }
}
