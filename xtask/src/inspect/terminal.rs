//! The report for a terminal.

use std::fmt::Write;

use plugin_compat::{Code, FileKind};

use super::cell::{Cell, CellReason, Outcome, remarks};
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
        let cells: Vec<&Cell> = report.cells.iter().skip(at).step_by(report.files.len()).collect();
        of_remarks(&mut text, &cells);
        of_cells(&mut text, file, &cells);
    }
    if let Some(agreement) = &report.agreement {
        let _ = writeln!(
            text,
            "\n{} of {} observations are as predicted ({:.2} %)",
            agreement.agree, agreement.cells, agreement.percent
        );
    }
    // Names of strangers may hold what moves a terminal's cursor.
    text.replace(|one: char| one.is_control() && one != '\n', "\u{fffd}")
}

fn of_file(text: &mut String, file: &FileRow) {
    let _ = writeln!(text, "{}", file.name);
    if let Some(unreadable) = &file.unreadable {
        paragraph(text, INDENT, "  is", unreadable);
    }
    let Some(portrait) = &file.portrait else { return };
    let soname = portrait.soname.as_ref().map(|soname| format!(", known as {soname}")).unwrap_or_default();
    let mut is = format!(
        "{} bytes, {}, {} {}, {}",
        file.size, file.kind, portrait.class, portrait.byte_order, portrait.machine
    );
    if file.has_hardening() {
        let _ = write!(is, ", symbol hash {}{soname}", portrait.hash);
    }
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
    if file.has_hardening() {
        paragraph(text, INDENT, "  hardening", &of_hardening(&portrait.hardening));
    }
    if let Some(note) = &portrait.note {
        paragraph(text, INDENT, "  contract", note);
    }
}

/// A library, the symbols that are asked of it with their versions, and the versions that it has to define for none of those that are named.
fn of_need(need: &Need) -> String {
    let named = &need.symbols[..need.symbols.len().min(NAMED)];
    let is_named = |version: &&String| {
        let of_version = |symbol: &String| symbol.rsplit_once('@').is_some_and(|(_, of)| of == *version);
        named.iter().any(of_version)
    };
    let others: Vec<&str> =
        need.versions.iter().filter(|version| !is_named(version)).map(String::as_str).collect();
    let symbols = (!named.is_empty()).then(|| some_of(&need.symbols));
    let others = (!others.is_empty()).then(|| others.join(", "));
    let words: Vec<String> = symbols.into_iter().chain(others).collect();
    if words.is_empty() { need.library.clone() } else { format!("{}: {}", need.library, words.join("; ")) }
}

/// What does not keep the file from loading; with the hosts, where it is not so in all.
fn of_remarks(text: &mut String, cells: &[&Cell]) {
    for (remark, hosts) in remarks(cells) {
        let hosts = match hosts.len() {
            count if count == cells.len() => String::new(),
            _ => format!(" (in {})", some_of(&hosts)),
        };
        paragraph(text, INDENT, "  remark", &format!("{remark}{hosts}"));
    }
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

/// What keeps a file from loading anywhere is said once, and not once a host.
fn of_cells(text: &mut String, file: &FileRow, cells: &[&Cell]) {
    let Some(sentences) = against_the_file(file, cells) else {
        cells.iter().for_each(|cell| of_cell(text, cell, &cell.reasons));
        return;
    };
    let _ = writeln!(text, "  {:<24}{}", "in any host", Outcome::Refused.word());
    sentences.iter().for_each(|sentence| paragraph(text, 4, "", sentence));
    let seen = cells.iter().filter(|cell| cell.observed.is_some());
    seen.for_each(|cell| of_cell(text, cell, &[]));
}

/// The sentences against a file that is no library, or for a machine that none of the hosts is.
fn against_the_file(file: &FileRow, cells: &[&Cell]) -> Option<Vec<String>> {
    let (first, others) = cells.split_first()?;
    if file.kind != FileKind::SharedLibrary {
        let is_everywhere = |reason: &&CellReason| others.iter().all(|cell| cell.reasons.contains(reason));
        let common: Vec<String> = first.reasons.iter().filter(is_everywhere).map(sentence).collect();
        return (!common.is_empty()).then_some(common);
    }
    // A single host is named.
    let portrait = file.portrait.as_ref().filter(|_| !others.is_empty())?;
    let is_everywhere =
        |code: &Code| cells.iter().all(|cell| cell.reasons.iter().any(|reason| reason.code == code.as_str()));
    let codes = [Code::ElfClass, Code::ElfEndianness, Code::ElfMachine].into_iter().filter(is_everywhere);
    let codes: Vec<&str> = codes.map(Code::as_str).collect();
    let Portrait { class, byte_order, machine, .. } = portrait;
    (!codes.is_empty()).then(|| {
        vec![format!(
            "{}: the file is for a {class} {byte_order} {machine}, which none of these hosts is; build it for theirs",
            codes.join(", ")
        )]
    })
}

fn of_cell(text: &mut String, cell: &Cell, reasons: &[CellReason]) {
    let mut verdict = cell.predicted.word().to_owned();
    if let Some(observed) = cell.observed {
        let _ = write!(verdict, ", observed: {}", observed.word());
    }
    if cell.agree == Some(false) {
        verdict.push_str(" - DISAGREES");
    }
    let _ = writeln!(text, "  {:<24}{verdict}", cell.host);
    reasons.iter().for_each(|reason| paragraph(text, 4, "", &sentence(reason)));
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

fn sentence(reason: &CellReason) -> String {
    format!("{}: {}", reason.code, reason.text)
}
