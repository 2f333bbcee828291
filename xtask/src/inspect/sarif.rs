//! The report for code scanning: SARIF 2.1.0 (OASIS), one result for each file and reason, whatever the number of hosts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::portrait::Hardening;
use super::report::Report;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A result without its file.
struct Finding {
    rule: String,
    /// SARIF's `error`, `warning` or `note`.
    level: &'static str,
    text: String,
}

/// The report as SARIF. Files that load everywhere and are hardened have no result.
pub(super) fn render(report: &Report) -> Value {
    let mut results = Vec::new();
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for file in &report.files {
        let mut findings = of_cells(report, &file.name);
        let portrait = file.portrait.iter().filter(|_| file.has_hardening());
        findings.extend(portrait.flat_map(|portrait| of_hardening(&portrait.hardening)));
        for Finding { rule, level, text } in findings {
            rules.entry(rule.clone()).or_insert_with(|| json!({ "id": rule }));
            results.push(json!({
                "ruleId": rule,
                "level": level,
                "message": { "text": text },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&file.name) } } }],
                "partialFingerprints": { "dynlabFileAndRule/v1": format!("{}:{rule}", file.sha256) },
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
fn of_cells(report: &Report, file: &str) -> Vec<Finding> {
    let mut by_code: BTreeMap<&str, (bool, Vec<&str>, &str)> = BTreeMap::new();
    for cell in report.cells.iter().filter(|cell| cell.artifact == file) {
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
        level: if by_loader { "error" } else { "warning" },
        text: format!("{text} (in {})", hosts.join(", ")),
    };
    by_code.into_iter().map(finding).collect()
}

fn of_hardening(hardening: &Hardening) -> Vec<Finding> {
    let warning = |applies: bool, rule: &str, text: &str| {
        applies.then(|| Finding {
            rule: format!("hardening.{rule}"),
            level: "warning",
            text: text.to_owned(),
        })
    };
    let run_path = format!(
        "libraries are searched in {}, where others may put theirs; link with absolute folders that only root may write to",
        hardening.unsafe_run_path.join(":")
    );
    [
        warning(
            hardening.relro == "none",
            "relro",
            "what the loader writes stays writable; link with -z relro",
        ),
        warning(!hardening.nx, "executable-stack", "stack or data are executable; link with -z noexecstack"),
        warning(
            hardening.writable_code,
            "writable-code",
            "a segment is writable and executable at once; link without -N and without --omagic",
        ),
        warning(
            hardening.text_relocations,
            "text-relocations",
            "relocations write into code, which hardened systems refuse; compile with -fPIC",
        ),
        warning(!hardening.unsafe_run_path.is_empty(), "run-path", &run_path),
    ]
    .into_iter()
    .flatten()
    .collect()
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
