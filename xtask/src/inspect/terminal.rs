//! The report for a terminal.

use std::fmt::Write;

use super::cell::Cell;
use super::portrait::{Hardening, Need, Portrait};
use super::report::{FileRow, Report};
use crate::columns::paragraph;

/// Where words begin.
const INDENT: usize = 12;
/// So many symbols are named; `--json` has all.
const NAMED: usize = 6;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for (at, file) in report.files.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        of_file(&mut text, file);
        let per_host = report.files.len();
        for cell in report.cells.iter().skip(at).step_by(per_host) {
            of_cell(&mut text, cell);
        }
    }
    if let Some(agreement) = &report.agreement {
        let _ = writeln!(
            text,
            "\n{} of {} observations are as predicted ({:.2} %)",
            agreement.agree, agreement.cells, agreement.percent
        );
    }
    text
}

fn of_file(text: &mut String, file: &FileRow) {
    let _ = writeln!(text, "{}", file.name);
    if let Some(unreadable) = &file.unreadable {
        paragraph(text, INDENT, "  is", unreadable);
    }
    let Some(portrait) = &file.portrait else { return };
    let soname = portrait.soname.as_ref().map(|soname| format!(", known as {soname}")).unwrap_or_default();
    let is = format!(
        "{} bytes, {}, {}, {}, symbol hash {}{soname}",
        file.size, portrait.class, portrait.machine, portrait.linkage, portrait.hash
    );
    paragraph(text, INDENT, "  is", &is);
    for (at, need) in portrait.needs.iter().enumerate() {
        paragraph(text, INDENT, if at == 0 { "  needs" } else { "" }, &of_need(need));
    }
    if !portrait.needs_of_anyone.is_empty() {
        paragraph(text, INDENT, "  of anyone", &some_of(&portrait.needs_of_anyone));
    }
    if let Some(floor) = of_floor(portrait) {
        paragraph(text, INDENT, "  floor", &floor);
    }
    paragraph(text, INDENT, "  hardening", &of_hardening(&portrait.hardening));
    if let Some(note) = &portrait.note {
        paragraph(text, INDENT, "  contract", note);
    }
}

fn of_need(need: &Need) -> String {
    let versions =
        if need.versions.is_empty() { String::new() } else { format!(": {}", need.versions.join(", ")) };
    format!("{}{versions}", need.library)
}

fn of_floor(portrait: &Portrait) -> Option<String> {
    let floor = portrait.glibc_floor.as_ref()?;
    let without = match &portrait.floor_without_them {
        Some(without) => format!("; {without} without"),
        None => String::new(),
    };
    Some(format!("glibc {floor}, for {}{without}", some_of(&portrait.raised_by)))
}

fn of_hardening(hardening: &Hardening) -> String {
    let mut words = vec![format!("{} RELRO", hardening.relro)];
    words.push(if hardening.nx { "NX" } else { "executable stack or data" }.to_owned());
    words.push(if hardening.bind_now { "BIND_NOW" } else { "lazy binding" }.to_owned());
    if hardening.text_relocations {
        words.push("text relocations".to_owned());
    }
    if !hardening.unsafe_run_path.is_empty() {
        words.push(format!("unsafe run path {}", hardening.unsafe_run_path.join(":")));
    }
    words.join(", ")
}

fn of_cell(text: &mut String, cell: &Cell) {
    let mut verdict = cell.predicted.word().to_owned();
    if let Some(observed) = cell.observed {
        let _ = write!(verdict, ", observed: {}", observed.word());
    }
    if cell.agree == Some(false) {
        verdict.push_str(" - DISAGREES");
    }
    let _ = writeln!(text, "  {:<24}{verdict}", cell.host);
    for reason in &cell.reasons {
        paragraph(text, 4, "", &format!("{}: {}", reason.code, reason.text));
    }
    if let (Some(false), Some(message)) = (cell.agree, &cell.message) {
        paragraph(text, 4, "", &format!("the loader: {message}"));
    }
}

fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
