//! Whether what was found is good: what exit codes tell scripts.

use anyhow::{Result, bail};

use super::cell::{Cell, Outcome};
use super::report::{FileRow, HostRow, Report};
use crate::error::Stop;

/// Says how it ends. No library is for every host, so that a file has to load in those that it is for: of its own architecture and, unless somebody named
/// the hosts, of its own C library; in all of them where it is for none. A warning is no reason not to load.
///
/// # Errors
/// [`Stop::Disagreement`] when an observation is not what was predicted or a file does not load where it should; [`Stop::NotRun`] when hosts could not be
/// looked at, whose names and causes are `not_run`.
pub(super) fn conclude(report: &Report, not_run: &[String], are_hosts_named: bool) -> Result<()> {
    let disagreeing = report.cells.iter().filter(|cell| cell.agree == Some(false)).count();
    if disagreeing > 0 {
        bail!(Stop::Disagreement(format!(
            "{disagreeing} of {} observations are not what was predicted",
            report.cells.len()
        )));
    }
    if !not_run.is_empty() {
        bail!(Stop::NotRun(format!("not observed: {}", not_run.join("; "))));
    }
    let decisive = decisive(report, are_hosts_named);
    let refused = decisive.iter().filter(|cell| cell.predicted != Outcome::Loads).count();
    if refused > 0 {
        bail!(Stop::Disagreement(format!(
            "{refused} of {} verdicts in hosts that it is for say that it does not load",
            decisive.len()
        )));
    }
    Ok(())
}

/// The cells of files in the hosts that they are for.
fn decisive(report: &Report, are_hosts_named: bool) -> Vec<&Cell> {
    let mut decisive = Vec::new();
    for (at, file) in report.files.iter().enumerate() {
        let cells = || report.cells.iter().skip(at).step_by(report.files.len()).zip(&report.hosts);
        let is_meant = |host: &HostRow| is_for(file, host, !are_hosts_named);
        let is_for_none = !report.hosts.iter().any(is_meant);
        decisive.extend(cells().filter(|(_, host)| is_for_none || is_meant(host)).map(|(cell, _)| cell));
    }
    decisive
}

/// A file that says nothing of it is for any.
fn is_for(file: &FileRow, host: &HostRow, of_libc_too: bool) -> bool {
    let Some(portrait) = &file.portrait else { return true };
    let libc = match portrait.libc.as_deref() {
        Some("glibc") => Some("gnu"),
        other => other,
    };
    portrait.machine == host.arch && (!of_libc_too || libc.is_none_or(|libc| libc == host.libc))
}

#[cfg(test)]
mod tests {
    use plugin_compat::{Code, ElfFacts, FileKind, Machine};

    use super::*;
    use crate::inspect::cell::CellReason;
    use crate::inspect::portrait;

    const HOSTS: [(&str, &str, &str); 3] =
        [("gnu", "x86_64", "gnu"), ("musl", "x86_64", "musl"), ("arm", "aarch64", "gnu")];

    /// A file that is for x86_64 and glibc, or one that is none, with the reasons against it in each of the hosts.
    fn report(is_library: bool, reasons: [&[Code]; 3]) -> Report {
        let facts = ElfFacts::of_program(Machine::X86_64, "/lib64/ld-linux-x86-64.so.2", &["libc.so.6"]);
        let file = FileRow {
            name: "file.so".to_owned(),
            size: 1,
            sha256: "00".to_owned(),
            kind: if is_library { FileKind::SharedLibrary } else { FileKind::Text },
            portrait: is_library.then(|| portrait::of(&facts, &[])),
            unreadable: None,
        };
        let host = |(name, arch, libc): (&str, &str, &str)| HostRow {
            name: name.to_owned(),
            arch: arch.to_owned(),
            libc: libc.to_owned(),
            libc_version: None,
            program: None,
        };
        let cell = |((name, ..), codes): ((&str, &str, &str), &[Code])| Cell {
            host: name.to_owned(),
            artifact: "file.so".to_owned(),
            predicted: crate::inspect::cell::predicted(codes.iter().copied()),
            observed: None,
            agree: None,
            reasons: codes
                .iter()
                .map(|code| CellReason { code: code.to_string(), text: String::new(), by_loader: true })
                .collect(),
            remarks: Vec::new(),
            code: None,
            message: None,
        };
        Report {
            format: 1,
            hosts: HOSTS.map(host).into(),
            files: vec![file],
            cells: HOSTS.into_iter().zip(reasons).map(cell).collect(),
            agreement: None,
        }
    }

    fn code_of(outcome: &Result<()>) -> u8 {
        outcome.as_ref().err().map_or(0, Stop::exit_code_of)
    }

    #[test]
    fn a_file_has_to_load_in_the_hosts_that_it_is_for() {
        use Code::{ElfMachine, ElfNotElf, LibcFamily, LibraryMissing};
        // The file is a library, its reasons, exit code by default, and where hosts are named.
        let cases: [(bool, [&[Code]; 3], u8, u8); 7] = [
            (true, [&[], &[], &[ElfMachine]], 0, 0),
            (true, [&[], &[LibcFamily], &[ElfMachine]], 0, 0),
            (true, [&[], &[LibcFamily, LibraryMissing], &[ElfMachine]], 0, 1),
            (true, [&[LibraryMissing], &[], &[ElfMachine]], 1, 1),
            (true, [&[LibcFamily], &[], &[]], 0, 0),
            (false, [&[ElfNotElf], &[ElfNotElf], &[ElfNotElf]], 1, 1),
            (false, [&[], &[], &[ElfNotElf]], 1, 1),
        ];
        for (is_library, reasons, by_default, named) in cases {
            let report = report(is_library, reasons);
            let codes = (code_of(&conclude(&report, &[], false)), code_of(&conclude(&report, &[], true)));
            assert_eq!(codes, (by_default, named), "{reasons:?}");
        }
    }

    #[test]
    fn a_file_for_none_of_the_hosts_loads_in_none() {
        let mut report = report(true, [&[Code::ElfMachine], &[Code::ElfMachine], &[]]);
        let portrait = report.files[0].portrait.as_mut().unwrap();
        portrait.machine = "riscv".to_owned();
        let error = conclude(&report, &[], false).unwrap_err();
        assert_eq!(error.to_string(), "2 of 3 verdicts in hosts that it is for say that it does not load");
    }

    #[test]
    fn what_was_not_predicted_comes_first_and_what_was_not_seen_next() {
        let mut report = report(true, [&[Code::LibraryMissing], &[], &[]]);
        let not_run = ["gnu: no engine".to_owned()];
        assert_eq!(code_of(&conclude(&report, &not_run, false)), 3);
        report.cells[2].agree = Some(false);
        assert_eq!(code_of(&conclude(&report, &not_run, false)), 1);
        report.cells[2].agree = Some(true);
        assert_eq!(code_of(&conclude(&report, &not_run, false)), 3);
    }
}
