//! A small report through all that is made of it.

use serde_json::Value;

use super::check::contradiction;
use super::count::{Count, share_of};
use super::exhibits::{kind_of, kinds};
use super::explained::{Explanation, explain};
use super::group::{ArtifactRow, Finding, group};
use super::report::{Disagreement, Example, GalleryReport, HostRow};
use super::{page, schema_text};
use crate::inspect::cell::{CellReason, Outcome};
use crate::inspect::schema::violations;
use crate::lab::{Arch, Libc};

fn host(name: &str, arch: Arch, libc: Libc, program: Option<&str>) -> HostRow {
    HostRow {
        name: name.to_owned(),
        arch,
        libc,
        libc_version: Some("2.36".to_owned()),
        image: name.split('+').next().unwrap().to_owned(),
        image_digest: "sha256:00".to_owned(),
        program: program.map(str::to_owned),
    }
}

fn finding(predicted: Outcome, observed: Outcome, reasons: &[&str]) -> Finding {
    Finding {
        predicted,
        observed,
        agree: (predicted == Outcome::Loads) == (observed == Outcome::Loads),
        reasons: reasons.iter().map(|code| (*code).to_owned()).collect(),
        code: None,
    }
}

/// Three files, of which two are alike, in five hosts.
fn sample() -> GalleryReport {
    use Outcome::{Crashed, Loads, Refused};
    let hosts = vec![
        host("bookworm-x86_64-gnu", Arch::X86_64, Libc::Gnu, None),
        host("bookworm-x86_64-musl", Arch::X86_64, Libc::Musl, None),
        host("bookworm-aarch64-gnu", Arch::Aarch64, Libc::Gnu, None),
        host("gallery-bookworm-x86_64", Arch::X86_64, Libc::Gnu, None),
        host("gallery-bookworm-x86_64+nginx", Arch::X86_64, Libc::Gnu, Some("/usr/sbin/nginx")),
    ];
    let foreign = || (2, finding(Refused, Refused, &["elf.machine"]));
    let of_nginx = || {
        vec![
            (0, finding(Refused, Refused, &["symbol.undefined"])),
            (1, finding(Refused, Refused, &["libc.family", "symbol.undefined"])),
            foreign(),
            (3, finding(Refused, Refused, &["symbol.undefined"])),
            (4, finding(Loads, Loads, &[])),
        ]
    };
    let of_nobody = vec![
        (0, finding(Loads, Loads, &[])),
        (1, finding(Loads, Crashed, &["libc.family"])),
        foreign(),
        (3, finding(Loads, Loads, &[])),
    ];
    let row = |path: &str, kind: &str, sha256: &str| ArtifactRow {
        name: format!("gallery-bookworm-x86_64/{path}"),
        kind: kind.to_owned(),
        sha256: sha256.to_owned(),
    };
    let files = vec![
        (row("usr/lib/nginx/modules/a.so", "nginx", "0a"), of_nginx()),
        (row("usr/lib/odd.so", "other", "1b"), of_nobody),
        (row("usr/lib/nginx/modules/b.so", "nginx", "2c"), of_nginx()),
    ];
    let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
    GalleryReport {
        format: 1,
        pinned: true,
        hosts,
        groups: group(files, &names),
        examples: vec![Example {
            code: "elf.machine".to_owned(),
            text: "it is for x86_64 | not for aarch64".to_owned(),
            artifact: "gallery-bookworm-x86_64/usr/lib/odd.so".to_owned(),
            host: "bookworm-aarch64-gnu".to_owned(),
        }],
        disagreements: vec![Disagreement {
            host: "bookworm-x86_64-musl".to_owned(),
            artifact: "gallery-bookworm-x86_64/usr/lib/odd.so".to_owned(),
            predicted: Loads,
            observed: Crashed,
            reasons: vec![CellReason {
                code: "libc.family".to_owned(),
                text: "it is built for glibc".to_owned(),
                by_loader: false,
            }],
            message: Some("signal 11".to_owned()),
            why: "It is odd.".to_owned(),
        }],
    }
}

#[test]
fn files_and_hosts_of_one_outcome_stand_together() {
    let report = sample();
    assert_eq!(report.groups.len(), 2);
    let names = |at: usize| -> Vec<&str> {
        report.groups[at].artifacts.iter().map(|artifact| artifact.name.rsplit('/').next().unwrap()).collect()
    };
    assert_eq!((names(0), names(1)), (vec!["a.so", "b.so"], vec!["odd.so"]));
    let of_nginx: Vec<usize> = report.groups[0].cells.iter().map(|cells| cells.hosts.len()).collect();
    assert_eq!(of_nginx, [2, 1, 1, 1]);
    let total = report.total();
    assert_eq!(total, Count { cells: 14, agree: 13, load: 4, refused: 9, crashed: 1, hung: 0 });
    assert_eq!(total.share(), "92.85 %");
    assert_eq!(
        (share_of(199_999, 200_000), share_of(5, 5), share_of(0, 0)),
        ("99.99 %".into(), "100.00 %".into(), "100.00 %".into())
    );
}

#[test]
fn the_gate_is_for_the_files_own_architecture_too() {
    let report = sample();
    let own = Count { cells: 11, agree: 10, load: 4, refused: 6, crashed: 1, hung: 0 };
    assert_eq!(report.at_home(), own);
    assert_eq!(report.below(90.0), None);
    assert_eq!(report.below(92.0), Some(own));
    assert_eq!(report.below(95.0), Some(report.total()));
}

#[test]
fn cells_that_crashed_where_they_were_to_be_refused_are_counted() {
    let mut report = sample();
    assert_eq!(report.without_words(), 0);
    // Both files of the first group, in the host with musl.
    let cells = &mut report.groups[0].cells;
    let of_musl = cells.iter_mut().find(|cells| cells.hosts == ["bookworm-x86_64-musl"]).unwrap();
    of_musl.finding.observed = Outcome::Crashed;
    assert_eq!((report.without_words(), contradiction(&report)), (2, None));
}

#[test]
fn what_a_report_says_of_its_own_cells_is_told_again() {
    assert_eq!(contradiction(&sample()), None);
    let check = |edit: &dyn Fn(&mut GalleryReport), part: &str| {
        let mut report = sample();
        edit(&mut report);
        let found = contradiction(&report).unwrap_or_default();
        assert!(found.contains(part), "{found:?} has no {part:?}");
    };
    fn odd(report: &mut GalleryReport) -> &mut Finding {
        let mut cells = report.groups.iter_mut().flat_map(|group| &mut group.cells);
        &mut cells.find(|cells| !cells.finding.agree).unwrap().finding
    }
    check(&|report| odd(report).agree = true, "odd.so in bookworm-x86_64-musl: from its reasons");
    check(&|report| odd(report).predicted = Outcome::Refused, "follow \"predicted\":\"loads\"");
    check(&|report| odd(report).code = Some("symbol.unknown".to_owned()), "symbol.unknown");
    check(&|report| report.disagreements.clear(), "is not among the disagreements");
    check(&|report| report.disagreements[0].observed = Outcome::Hung, "is another among the disagreements");
    check(&|report| report.disagreements[0].reasons.clear(), "is another among the disagreements");
    check(&|report| report.disagreements[0].host = "bookworm-x86_64-gnu".to_owned(), "and agrees");
    check(&|report| report.groups[0].artifacts.clear(), "a group is empty");
    let refused = |report: &mut GalleryReport, code: &str| {
        let finding = &mut report.groups[0].cells[0].finding;
        assert_eq!(finding.reasons, ["symbol.undefined"]);
        finding.code = Some(code.to_owned());
    };
    check(
        &|report| refused(report, "libc.static-tls"),
        "follow \"predicted\":\"refused\" and \"agree\":false",
    );
    let mut report = sample();
    refused(&mut report, "symbol.undefined");
    assert_eq!(contradiction(&report), None);
}

#[test]
fn the_report_survives_its_file_and_has_the_form_of_its_schema() {
    let report = sample();
    let text = report.to_json().unwrap();
    assert_eq!(serde_json::from_str::<GalleryReport>(&text).unwrap(), report);
    let schema: Value = serde_json::from_str(schema_text()).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(violations(&value, &schema), [""; 0]);
    value["groups"][0]["cells"][0]["observed"] = "flies".into();
    value["hosts"][0]["more"] = 1.into();
    assert_eq!(violations(&value, &schema).len(), 2);
}

#[test]
fn the_page_counts_what_the_report_has() {
    let page = page::render(&sample());
    let section =
        |title: &str| page.split("\n## ").find(|section| section.starts_with(title)).unwrap().to_owned();
    assert!(page.contains(
        "3 files from 1 images in 5 hosts, 14 cells; prediction and observation agree in 13 (92.85 %). In hosts of the file's own architecture, which are \
         11 of the cells, they do in 10 (90.90 %)."
    ));
    assert!(
        page.contains(" 0 of the cells that agree were predicted as refused and ended in a crash"),
        "{page}"
    );
    assert!(page.contains(" at least 99.5 % agree, of all cells and of those"), "{page}");
    insta::assert_snapshot!(section("Hosts"), @"
    Hosts

    | host | C library | cells | load | refused | crashed | hung | agree | |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | bookworm-x86_64-gnu | glibc 2.36 | 3 | 1 | 2 | 0 | 0 | 3 | 100.00 % |
    | bookworm-x86_64-musl | musl 2.36 | 3 | 0 | 2 | 1 | 0 | 2 | 66.66 % |
    | bookworm-aarch64-gnu | glibc 2.36 | 3 | 0 | 3 | 0 | 0 | 3 | 100.00 % |
    | gallery-bookworm-x86_64 | glibc 2.36 | 3 | 1 | 2 | 0 | 0 | 3 | 100.00 % |
    | gallery-bookworm-x86_64+nginx | glibc 2.36 | 2 | 2 | 0 | 0 | 0 | 2 | 100.00 % |
    ");
    let kinds = section("Kinds");
    assert!(
        kinds.contains(
            "| nginx | 2 | 0 of 2 (0.00 %) | 2 of 2 (100.00 %) | 2 of 2 (100.00 %) | 10 | 10 | 100.00 % |"
        ),
        "{kinds}"
    );
    assert!(
        kinds.contains("| other | 1 | 1 of 1 (100.00 %) | none | 1 of 1 (100.00 %) | 4 | 3 | 75.00 % |"),
        "{kinds}"
    );
    let meetings = section("Where files are opened");
    assert!(
        meetings.contains("| a host of the other architecture | 3 | 0 | 3 | 0 | 0 | 3 | 100.00 % |"),
        "{meetings}"
    );
    assert!(section("Reasons").contains("| `elf.machine` | 3 | it is for x86_64 \\| not for aarch64 |"));
    assert!(section("Disagreements").contains(
        "odd.so in bookworm-x86_64-musl: predicted loads (`libc.family`), observed crashed (signal 11). It is odd."
    ));
}

#[test]
fn every_disagreement_has_to_be_explained_and_every_explanation_to_be_needed() {
    let odd = sample().disagreements;
    let explanation = |file: &str, host: &str| Explanation {
        files: vec![file.to_owned()],
        hosts: vec![host.to_owned()],
        why: "It is odd.".to_owned(),
    };
    let fits = explanation("gallery-*/usr/lib/odd.so", "*-musl");
    assert_eq!(explain(&odd, std::slice::from_ref(&fits)).unwrap(), ["It is odd."]);
    let unexplained = explain(&odd, &[]).unwrap_err();
    assert!(
        unexplained[0]
            .starts_with("not explained: gallery-bookworm-x86_64/usr/lib/odd.so in bookworm-x86_64-musl")
    );
    let idle = explain(&odd, &[fits, explanation("**/odd.so", "*-gnu")]).unwrap_err();
    assert_eq!(idle, [r#"explains nothing: ["**/odd.so"] in ["*-gnu"]"#]);
}

#[test]
fn the_first_kind_that_fits_counts() {
    let kinds = kinds(&crate::paths::repository().unwrap()).unwrap();
    let cases = [
        ("usr/lib/nginx/modules/ngx_mail_module.so", Some("nginx")),
        ("usr/lib/postgresql/15/lib/bitcode/a.bc", None),
        ("usr/lib/postgresql/15/lib/plpgsql.so", Some("PostgreSQL")),
        ("usr/lib/python3.11/lib-dynload/_lzma.cpython-311-x86_64-linux-gnu.so", Some("Python")),
        ("usr/lib/python3/dist-packages/lxml/etree.cpython-311-x86_64-linux-gnu.so", Some("Python")),
        ("usr/lib/x86_64-linux-gnu/perl5/5.36/auto/DBI/DBI.so", Some("Perl")),
        ("usr/lib/x86_64-linux-gnu/perl-base/auto/Cwd/Cwd.so", Some("Perl")),
        ("usr/lib/x86_64-linux-gnu/libnss_compat.so.2", Some("NSS")),
        ("usr/lib/x86_64-linux-gnu/libpcprofile.so", Some("other module")),
        ("usr/lib/x86_64-linux-gnu/libz.so.1.2.13", Some("library")),
        ("usr/bin/perl", None),
    ];
    for (path, expected) in cases {
        assert_eq!(kind_of(path, &kinds).map(|kind| kind.name.as_str()), expected, "{path}");
    }
}
