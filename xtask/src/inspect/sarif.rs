//! The report for code scanning: SARIF 2.1.0 (OASIS), one result for each file and reason, whatever the number of hosts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cell::{Cell, remarks};
use super::portrait::Hardening;
use super::report::Report;
use super::sarif_rules::{self, ERROR, HARDENING, NOTE, REMARK, Rule, WARNING};
use crate::build::sha256;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A result without its file.
struct Finding {
    rule: String,
    level: &'static str,
    text: String,
}

/// The report as SARIF. Files that load everywhere, are hardened and have nothing to remark on have no result.
pub(super) fn render(report: &Report) -> Value {
    let mut results = Vec::new();
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for (at, file) in report.files.iter().enumerate() {
        let cells: Vec<&Cell> = report.cells.iter().skip(at).step_by(report.files.len()).collect();
        let mut findings = of_reasons(&cells);
        let portrait = file.portrait.iter().filter(|_| file.has_hardening());
        findings.extend(portrait.flat_map(|portrait| of_hardening(&portrait.hardening)));
        let remarks = of_remarks(&cells, &findings);
        findings.extend(remarks);
        for Finding { rule, level, text } in findings {
            rules.entry(rule.clone()).or_insert_with(|| sarif_rules::describe(&rule));
            // Hosts come and go, and a remark is told by its words only.
            let mark = match rule.as_str() {
                REMARK => format!("{rule}:{}", &sha256(clause(&text).as_bytes())[..16]),
                _ => rule.clone(),
            };
            results.push(json!({
                "ruleId": rule,
                "level": level,
                "message": { "text": text },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&file.name) } } }],
                "partialFingerprints": { "dynlabFileAndRule/v1": format!("{}:{mark}", file.sha256) },
            }));
        }
    }
    let driver = json!({
        "name": "cargo xtask inspect",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": rules.into_values().collect::<Vec<_>>(),
    });
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [{ "tool": { "driver": driver }, "results": results }] })
}

/// Reasons by code, each with the hosts that have it and the sentence of the first.
fn of_reasons(cells: &[&Cell]) -> Vec<Finding> {
    let mut by_code: BTreeMap<&str, (bool, Vec<&str>, &str)> = BTreeMap::new();
    for cell in cells {
        for reason in &cell.reasons {
            let (_, hosts, _) =
                by_code.entry(&reason.code).or_insert((reason.by_loader, Vec::new(), &reason.text));
            if hosts.last() != Some(&&*cell.host) {
                hosts.push(&cell.host);
            }
        }
    }
    let finding = |(code, (by_loader, hosts, text)): (&str, (bool, Vec<&str>, &str))| Finding {
        rule: code.to_owned(),
        level: if by_loader { ERROR } else { WARNING },
        text: format!("{text} (in {})", hosts.join(", ")),
    };
    by_code.into_iter().map(finding).collect()
}

/// What is remarked, beyond what other findings say already.
fn of_remarks(cells: &[&Cell], findings: &[Finding]) -> Vec<Finding> {
    let is_told = |remark: &str| findings.iter().any(|finding| clause(&finding.text) == clause(remark));
    let finding = |(remark, hosts): (&str, Vec<String>)| Finding {
        rule: REMARK.to_owned(),
        level: NOTE,
        text: format!("{remark} (in {})", hosts.join(", ")),
    };
    remarks(cells).into_iter().filter(|(remark, _)| !is_told(remark)).map(finding).collect()
}

/// What a sentence says, without the rest.
fn clause(sentence: &str) -> &str {
    sentence.split([',', ';', ':', '(']).next().unwrap_or_default().trim_end()
}

fn of_hardening(hardening: &Hardening) -> Vec<Finding> {
    let Hardening { relro, bind_now, nx, text_relocations, writable_code, unsafe_run_path } = hardening;
    let applies = |rule: &str| match rule {
        "hardening.relro" => relro == "none",
        "hardening.lazy-binding" => !bind_now,
        "hardening.executable-stack" => !nx,
        "hardening.writable-code" => *writable_code,
        "hardening.text-relocations" => *text_relocations,
        "hardening.run-path" => !unsafe_run_path.is_empty(),
        _ => false,
    };
    let finding = |rule: &Rule| {
        let folders = match rule.id {
            "hardening.run-path" => format!(": {}", unsafe_run_path.join(":")),
            _ => String::new(),
        };
        Finding {
            rule: rule.id.to_owned(),
            level: rule.level,
            text: format!("{}{folders}; {}", rule.what, rule.cure),
        }
    };
    HARDENING.iter().filter(|rule| applies(rule.id)).map(finding).collect()
}

/// A relative or absolute path as a URI reference (RFC 3986): everything but unreserved characters and slashes is encoded.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
