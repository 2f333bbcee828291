//! Real files, built by the machine's C compiler, inspected in small root file systems.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use plugin_compat::{ElfFacts, Machine};
use serde_json::Value;
use tempfile::TempDir;

use super::cell::{Cell, Observed, Outcome};
use super::hosts::{Place, Program};
use super::report::Report;
use super::schema::violations;
use super::{portrait, predict, run_path, sarif, schema_text, subject, terminal};
use crate::lab::{Arch, Libc};

const ARCH: &str = std::env::consts::ARCH;

/// A root file system with a stub of glibc 2.36 and a library in a folder that no loader searches by itself.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        let lib = format!("root/lib/{ARCH}-linux-gnu");
        let folders = format!(r#"const char folders[] = "/{}/";"#, &lib[5..]);
        bench.compile(&format!("{lib}/{}", loader()), &folders, &[]);
        fs::create_dir_all(bench.path("root/lib64")).unwrap();
        let interpreter = bench.path(&format!("root{}", interpreter()));
        if !interpreter.exists() {
            fs::copy(bench.path(&format!("{lib}/{}", loader())), interpreter).unwrap();
        }
        bench.libc(&format!("{lib}/libc.so.6"), "2.36", "GLIBC_2.17 { global: old; };");
        bench.libc("newer/libc.so.6", "2.38", "GLIBC_2.17 { global: old; }; GLIBC_2.38 { global: newer; };");
        bench.compile("root/opt/own/libextra.so.1", "void extra(void) {}", &["-Wl,-soname,libextra.so.1"]);
        bench
    }

    fn libc(&self, output: &str, version: &str, script: &str) {
        let map = self.path("libc.map");
        fs::write(&map, script).unwrap();
        let source = format!(
            "const char banner[] = \"stable release version {version}.\"; void old(void) {{}} void newer(void) {{}}"
        );
        let script = format!("-Wl,--version-script={}", map.display());
        self.compile(output, &source, &["-Wl,-soname,libc.so.6", &script]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compile(&self, output: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let (product, code) = (self.path(output), self.path("source.c"));
        fs::create_dir_all(product.parent().unwrap()).unwrap();
        fs::write(&code, source).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-nostdlib", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"]);
        cc.args(["-Wl,-z,noexecstack", "-Wl,--build-id=none", "-o"]).arg(&product).arg(&code);
        let finished = cc.args(arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
        product
    }

    fn place(&self) -> Place {
        let rootfs = self.path("root").canonicalize().unwrap();
        let arch = if ARCH == "x86_64" { Arch::X86_64 } else { Arch::Aarch64 };
        let facts = ElfFacts::of_program(machine(), interpreter(), &["libc.so.6"]);
        Place {
            name: "host".to_owned(),
            image: crate::exec::unpacked(&rootfs, arch),
            libc: Libc::Gnu,
            program: Program { facts, path: None, file: None },
            digest: None,
        }
    }

    fn report(&self, files: &[PathBuf], seen: Option<&[Observed]>) -> Report {
        let subjects = subject::read_all(files).unwrap();
        let place = self.place();
        let all: Vec<&subject::Subject> = subjects.iter().collect();
        let (verdicts, version) = predict(&place, &all).unwrap();
        let cells = subjects.iter().zip(&verdicts).enumerate();
        let cell_of = |(at, (subject, verdict))| {
            Cell::of(&place.name, subject, verdict, seen.map(|seen: &[Observed]| &seen[at]))
        };
        let cells = cells.map(cell_of).collect();
        let places = [place];
        let writable: Vec<Vec<String>> =
            subjects.iter().map(|subject| run_path::writable(subject, &places)).collect();
        Report::of(&subjects, &writable, &places, &[version], cells)
    }
}

fn machine() -> Machine {
    if ARCH == "x86_64" { Machine::X86_64 } else { Machine::Aarch64 }
}

fn loader() -> &'static str {
    if ARCH == "x86_64" { "ld-linux-x86-64.so.2" } else { "ld-linux-aarch64.so.1" }
}

fn interpreter() -> &'static str {
    if ARCH == "x86_64" { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" }
}

/// What a terminal shows, on one line.
fn told(report: &Report) -> String {
    terminal::render(report).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn codes(report: &Report, at: usize) -> Vec<&str> {
    report.cells[at].reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn a_file_is_judged_where_it_lies() {
    let bench = Bench::new();
    let source = "void extra(void); void work(void) { extra(); }";
    let arguments = ["root/opt/own/libextra.so.1", "-Wl,-rpath,$ORIGIN/../own"];
    let inside = bench.compile("root/opt/modules/module.so", source, &arguments);
    let outside = bench.compile("module.so", source, &arguments);
    let script = bench.path("module.sh");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let report = bench.report(&[inside, outside, script], None);
    assert_eq!(report.hosts[0].libc_version.as_deref(), Some("2.36"));
    assert_eq!(codes(&report, 0), [""; 0], "{:?}", report.cells[0].reasons);
    assert_eq!(codes(&report, 1), ["library.missing"]);
    assert_eq!(codes(&report, 2), ["elf.not-elf"]);
    assert_eq!(report.files[2].unreadable.as_deref(), Some("not an ELF file but a script"));
    assert_eq!(report.agreement, None);
}

#[test]
fn what_raises_the_floor_is_named() {
    let bench = Bench::new();
    let source = "void old(void); void newer(void); void work(void) { old(); newer(); }";
    let file = bench.compile("module.so", source, &["newer/libc.so.6", "-Wl,--hash-style=gnu"]);
    let report = bench.report(std::slice::from_ref(&file), None);
    let portrait = report.files[0].portrait.as_ref().unwrap();
    assert_eq!(portrait.glibc_floor.as_deref(), Some("2.38"));
    assert_eq!(portrait.raised_by, ["newer@GLIBC_2.38"]);
    assert_eq!(portrait.floor_without_them.as_deref(), Some("2.17"));
    assert_eq!(portrait.hash, "gnu");
    assert_eq!(portrait.needs[0].library, "libc.so.6");
    assert_eq!(portrait.needs[0].symbols, ["newer@GLIBC_2.38", "old@GLIBC_2.17"]);
    assert_eq!(codes(&report, 0), ["libc.symbol-version"]);
    let text = told(&report);
    assert!(text.contains("needs libc.so.6: newer@GLIBC_2.38, old@GLIBC_2.17 floor"), "{text}");
}

#[test]
fn of_many_needs_some_are_named_and_no_version_is_left_out() {
    let bench = Bench::new();
    let report = bench.report(&[bench.compile("module.so", "int a;", &[])], None);
    let need = |symbols: &[&str], versions: &[&str]| {
        let mut report = report.clone();
        report.files[0].portrait.as_mut().unwrap().needs = vec![portrait::Need {
            library: "libown.so.1".to_owned(),
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
        }];
        let text = told(&report);
        let (_, needs) = text.split_once(" needs ").unwrap();
        needs.split_once(" hardening").unwrap().0.to_owned()
    };
    assert_eq!(need(&[], &[]), "libown.so.1");
    assert_eq!(need(&[], &["ONE"]), "libown.so.1: ONE");
    assert_eq!(need(&["a@ONE", "b@TWO"], &["ONE", "TWO"]), "libown.so.1: a@ONE, b@TWO");
    let many = ["a@ONE", "b@ONE", "c@ONE", "d@ONE", "e@ONE", "f@ONE", "g@TWO"];
    assert_eq!(
        need(&many, &["ONE", "TWO"]),
        "libown.so.1: a@ONE, b@ONE, c@ONE, d@ONE, e@ONE, f@ONE and 1 more; TWO"
    );
}

#[test]
fn remarks_are_in_every_form_of_the_report() {
    let bench = Bench::new();
    let source = "__thread int own; int *work(void) { return &own; }";
    let file = bench.compile("module.so", source, &["-ftls-model=initial-exec", "-Wl,-z,relro,-z,now"]);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let mut report = bench.report(&[file], None);
    let remarks =
        ["the section header table ends at byte", "thread-local variables are of the initial-exec model"];
    let text = told(&report);
    for remark in remarks {
        assert_eq!(text.matches(&format!("remark {remark}")).count(), 1, "{text}");
    }
    assert!(!text.contains("(in host"), "{text}");
    report.cells.push(Cell { host: "another".to_owned(), remarks: Vec::new(), ..report.cells[0].clone() });
    let text = told(&report);
    assert_eq!(text.matches("(in host)").count(), 2, "{text}");

    let sarif = sarif::render(&report);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2, "{sarif}");
    for (result, remark) in results.iter().zip(remarks) {
        assert_eq!((&result["ruleId"], &result["level"]), (&"remark".into(), &"note".into()));
        assert!(result["message"]["text"].as_str().unwrap().starts_with(remark), "{result}");
    }
    assert_ne!(results[0]["partialFingerprints"], results[1]["partialFingerprints"]);
}

#[test]
fn what_hardening_says_is_not_remarked_once_more() {
    let bench = Bench::new();
    let mut report = bench.report(&[bench.compile("module.so", "int a;", &["-Wl,-z,relro,-z,now"])], None);
    report.files[0].portrait.as_mut().unwrap().hardening.text_relocations = true;
    report.cells[0].remarks = vec![
        "relocations write into code, which hardened systems refuse (SELinux: execmod); compile with -fPIC"
            .to_owned(),
    ];
    let sarif = sarif::render(&report);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rules: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(rules, ["hardening.text-relocations"]);
}

#[test]
fn a_damaged_note_is_not_taken_for_none() {
    let bench = Bench::new();
    let note = |rest: &str| {
        let source = format!(
            r#"__asm__(".pushsection .note.dynlab,\"a\",%note\n.balign 4\n.long 7, 4, 1\n.asciz \"{rest}\"\n.byte 0\n.long 0\n.popsection");"#
        );
        let file = bench.compile("module.so", &source, &[]);
        portrait::of(&ElfFacts::parse(&fs::read(file).unwrap()).unwrap(), &[]).note
    };
    let damaged = note("Dynlab").unwrap();
    assert!(damaged.starts_with("cannot be read: "), "{damaged}");
    assert_eq!(note("Others"), None);
}

#[test]
fn hardening_is_read_from_the_bytes() {
    let bench = Bench::new();
    let read = |arguments: &[&str]| {
        let file = bench.compile("module.so", "void *pointer = &pointer;", arguments);
        portrait::of(&ElfFacts::parse(&fs::read(file).unwrap()).unwrap(), &[]).hardening
    };
    let good = read(&["-Wl,-z,relro,-z,now", "-Wl,-rpath,/opt:$ORIGIN/lib"]);
    assert_eq!((good.relro.as_str(), good.bind_now, good.nx), ("full", true, true));
    assert_eq!(good.unsafe_run_path, [""; 0]);
    let bad = read(&["-Wl,-z,norelro,-z,lazy,-z,execstack", "-Wl,-rpath,lib:/tmp/a:/tmpfoo:/opt/../tmp"]);
    assert_eq!((bad.relro.as_str(), bad.bind_now, bad.nx), ("none", false, false));
    assert_eq!(bad.unsafe_run_path, ["lib", "/tmp/a", "/opt/../tmp"]);
    assert_eq!(read(&["-Wl,-z,relro,-z,lazy"]).relro, "partial");
}

#[test]
fn folders_that_anybody_may_write_to_are_found_in_the_root() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let run_path = "-Wl,-rpath,/opt/own:/opt/open:$ORIGIN/../open:/opt/nobody";
    let inside = bench.compile("root/opt/modules/module.so", "int a;", &[run_path]);
    let outside = bench.compile("module.so", "int a;", &[run_path]);
    fs::create_dir(bench.path("root/opt/open")).unwrap();
    let unsafe_run_path = |mode: u32| {
        fs::set_permissions(bench.path("root/opt/open"), fs::Permissions::from_mode(mode)).unwrap();
        let report = bench.report(&[inside.clone(), outside.clone()], None);
        let of = |at: usize| report.files[at].portrait.as_ref().unwrap().hardening.unsafe_run_path.clone();
        (of(0), of(1))
    };
    assert_eq!(unsafe_run_path(0o755), (Vec::new(), Vec::new()));
    // Where a file lies that is no part of the root, tells nothing.
    let (of_inside, of_outside) = unsafe_run_path(0o777);
    assert_eq!(of_inside, ["/opt/open", "$ORIGIN/../open"]);
    assert_eq!(of_outside, ["/opt/open"]);
}

#[test]
fn observations_agree_when_outcome_and_reason_do() {
    use Outcome::{Crashed, Loads, Refused};
    let bench = Bench::new();
    let good = bench.compile("good.so", "int a;", &[]);
    let lacking = bench.compile("lacking.so", "void nobody(void); void work(void) { nobody(); }", &[]);
    let seen = |outcome, words: &str| Observed {
        outcome,
        message: words.to_owned(),
        code: plugin_compat::code_of_message(words, "/file"),
    };
    let undefined = "/file: undefined symbol: nobody";
    let cases = [
        ((Loads, ""), (Refused, undefined), 2),
        ((Loads, ""), (Crashed, "signal 11"), 2),
        ((Crashed, "signal 11"), (Refused, "words that nobody knows"), 1),
        ((Refused, undefined), (Refused, "/file: file too short"), 0),
        ((Loads, ""), (Loads, ""), 1),
    ];
    for (of_good, of_lacking, agree) in cases {
        let seen = [seen(of_good.0, of_good.1), seen(of_lacking.0, of_lacking.1)];
        let report = bench.report(&[good.clone(), lacking.clone()], Some(&seen));
        let agreement = report.agreement.unwrap();
        assert_eq!((agreement.cells, agreement.agree), (2, agree), "{of_good:?} {of_lacking:?}");
    }
}

#[test]
fn every_form_of_the_report_tells_what_is_wrong() {
    let bench = Bench::new();
    let files = ["a b.so", "not-elf.so"].map(|name| bench.path(name));
    let source = "void nobody(void); void work(void) { nobody(); }";
    bench.compile("a b.so", source, &["-Wl,-z,execstack", "-Wl,-z,norelro,-z,lazy", "-Wl,-rpath,lib"]);
    fs::write(&files[1], "text\n").unwrap();
    let seen = ["undefined symbol: nobody", "invalid ELF header"].map(|words| Observed {
        outcome: Outcome::Refused,
        message: words.to_owned(),
        code: plugin_compat::code_of_message(words, "/file"),
    });
    let report = bench.report(&files, Some(&seen));

    let value = serde_json::to_value(&report).unwrap();
    let schema: Value = serde_json::from_str(schema_text()).unwrap();
    assert_eq!(violations(&value, &schema), [""; 0]);
    let read: Report = serde_json::from_value(value).unwrap();
    assert_eq!(read, report);

    let words_only = told(&report);
    for words in ["of anyone nobody", "symbol.undefined:", "unsafe run path lib", "2 of 2 observations"] {
        assert!(words_only.contains(words), "{words:?} in\n{words_only}");
    }
    let sarif = sarif::render(&report);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rules: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(
        rules,
        [
            "symbol.undefined",
            "hardening.relro",
            "hardening.lazy-binding",
            "hardening.executable-stack",
            "hardening.run-path",
            "elf.not-elf"
        ]
    );
    let described = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let described: BTreeSet<&str> = described.iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert_eq!(described, rules.into_iter().collect());
    let schema: Value = serde_json::from_str(include_str!("sarif.schema.json")).unwrap();
    assert_eq!(violations(&sarif, &schema), [""; 0]);
    let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(uri.as_str().unwrap().ends_with("/a%20b.so"), "{uri}");
}

/// Each is opened in words that glibc has for it.
#[test]
fn what_is_no_library_is_called_what_it_is_once() {
    let bench = Bench::new();
    let source = bench.path("object.c");
    fs::write(&source, "int value = 7;\n").unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let finished =
            Command::new(program).args(arguments).current_dir(bench.folder.path()).output().unwrap();
        assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
    };
    run("cc", &["-c", "-o", "object.o", "object.c"]);
    run("ar", &["rc", "archive.a", "object.o"]);
    bench.compile("library.so", "int value = 7;", &["-g"]);
    run("objcopy", &["--only-keep-debug", "library.so", "library.debug"]);
    fs::write(bench.path("empty.so"), "").unwrap();
    fs::write(bench.path("libc.so"), "/* GNU ld script */\nGROUP ( /lib/\u{1b}[2J.so )\n").unwrap();
    let cases = [
        (
            "object.o",
            "relocatable",
            "only ET_DYN and ET_EXEC can be loaded",
            "a relocatable object (.o), not linked yet, hosts load",
        ),
        ("archive.a", "archive", "invalid ELF header", "a static library (ar archive), hosts load"),
        (
            "library.debug",
            "debug-only",
            "object file has no dynamic section",
            "debug information without its code (.debug), hosts load",
        ),
        ("empty.so", "empty", "file too short", "an empty file, hosts load"),
        ("libc.so", "linker-script", "file too short", "a linker script (GNU ld), hosts load"),
    ];
    let files = cases.map(|(name, ..)| bench.path(name));
    let seen = cases.map(|(_, _, words, _)| Observed::of(Outcome::Refused, words.to_owned(), "/file"));
    let report = bench.report(&files, Some(&seen));
    assert_eq!(report.agreement.as_ref().map(|agreement| agreement.agree), Some(cases.len()));
    let text = terminal::render(&report);
    let words_only = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (row, (_, kind, _, sentence)) in report.files.iter().zip(cases) {
        assert_eq!(row.kind.as_str(), kind);
        assert_eq!(words_only.matches(sentence).count(), 1, "{sentence:?} in\n{text}");
    }
    assert_eq!(words_only.matches("in any host refused").count(), cases.len(), "{text}");
    assert!(!words_only.contains("hardening"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let sarif = sarif::render(&report);
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(cases.len()), "{sarif}");
}

#[test]
fn a_machine_that_no_host_is_is_named_once() {
    let bench = Bench::new();
    let file = crate::paths::repository().unwrap().join("plugins/compat/tests/files/powerpc.so");
    let mut report = bench.report(&[file], None);
    let of_one = told(&report);
    assert!(of_one.contains("host refused elf.class: the plugin is 32-bit"), "{of_one}");
    report.cells.push(Cell { host: "another".to_owned(), ..report.cells[0].clone() });
    let of_two = told(&report);
    let sentence = "in any host refused elf.class, elf.endianness, elf.machine: the file is for a 32-bit big-endian powerpc";
    assert_eq!((of_two.matches(sentence).count(), of_two.matches("elf.class").count()), (1, 1), "{of_two}");
}

#[test]
fn a_report_of_another_form_is_seen() {
    let schema: Value = serde_json::from_str(schema_text()).unwrap();
    let cases = [
        (r#"{"format": 1, "hosts": [], "files": [], "cells": []}"#, 0),
        (r#"{"format": 2, "hosts": [], "files": [], "cells": []}"#, 1),
        (r#"{"format": 1, "hosts": {}, "files": [], "cells": []}"#, 1),
        (r#"{"format": 1, "hosts": [], "files": [], "cells": [], "more": 1}"#, 1),
        (r#"{"format": 1, "hosts": [], "files": []}"#, 1),
        (r#"{"format": 1, "hosts": [{"name": 1}], "files": [], "cells": []}"#, 5),
    ];
    for (text, count) in cases {
        let found = violations(&serde_json::from_str(text).unwrap(), &schema);
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
}

#[test]
fn programs_of_the_lab_hosts_are_known() {
    let repository = crate::paths::repository().unwrap();
    let lab = crate::lab::Lab::read(&repository).unwrap();
    let known = super::hosts::platforms(&repository).unwrap();
    for host in &lab.hosts {
        assert!(known.contains(&(host.arch, host.libc)), "{}", host.name);
    }
    assert!(Path::new(&repository).join("containers/gallery/image.toml").is_file());
}
