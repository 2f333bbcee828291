//! Imports and exports.

use super::{Stores, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    what_is_exported_can_be_imported_elsewhere,
    lines_that_cannot_be_are_told_and_all_others_are_taken,
    a_cut_import_says_what_it_took,
    memory_stays_bounded,
}

fn what_is_exported_can_be_imported_elsewhere(stores: &Stores) {
    let (one, other) = (stores.daemon(), stores.daemon());
    let lines: String = (0..9_000)
        .map(|number| {
            format!("{}\n", json!({ "host": format!("h{number}.example"), "backend": "192.0.2.1:80" }))
        })
        .collect();
    let report = one.client().send("POST", "/import.ndjson", &[], lines.as_bytes());
    assert_eq!(report.json(), json!({ "created": 9_000, "updated": 0, "refused": 0, "refusals": [] }));
    one.put("*.example", "unix:/run/app.sock");
    let exported = one.get("/export.ndjson");
    assert!(exported.head.contains("content-type: application/x-ndjson"));
    assert_eq!(exported.body.lines().count(), 9_001);
    let report = other.client().send("POST", "/import.ndjson", &[], exported.body.as_bytes());
    assert_eq!(report.json()["created"], 9_001);
    assert_eq!(other.get("/export.ndjson").body, exported.body);
    let again = other.client().send("POST", "/import.ndjson", &[], exported.body.as_bytes());
    assert_eq!((&again.json()["created"], &again.json()["updated"]), (&json!(0), &json!(9_001)));
}

fn lines_that_cannot_be_are_told_and_all_others_are_taken(stores: &Stores) {
    let daemon = stores.daemon();
    let long = "x".repeat(100_000);
    let lines = [
        r#"{"host": "a", "backend": "192.0.2.1:80"}"#,
        "",
        "no json",
        r#"{"host": "b", "backend": "localhost:80"}"#,
        &long,
        "\r",
        r#"{"host": "c", "backend": "192.0.2.3:80"}"#,
    ];
    let answer = daemon.client().send("POST", "/import.ndjson", &[], lines.join("\n").as_bytes());
    assert_eq!(answer.status, 422);
    let report = answer.json();
    assert_eq!((&report["created"], &report["refused"]), (&json!(2), &json!(3)), "{report}");
    let refusals: Vec<(u64, &str)> = report["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one: &Value| (one["line"].as_u64().unwrap(), one["error"].as_str().unwrap()))
        .collect();
    for ((line, error), (expected, part)) in refusals.iter().zip([
        (3, "this is no JSON"),
        (4, "`localhost` is a name"),
        (5, "more than 65536 bytes"),
    ]) {
        assert!(*line == expected && error.contains(part), "{line}: {error}");
    }
    assert_eq!(daemon.get("/entries/c.json").status, 200);
    let many = "x\n".repeat(1_000);
    let report = daemon.client().send("POST", "/import.ndjson", &[], many.as_bytes()).json();
    assert_eq!((&report["refused"], report["refusals"].as_array().unwrap().len()), (&json!(1_000), 100));
}

fn a_cut_import_says_what_it_took(stores: &Stores) {
    let daemon = stores.daemon();
    let line = r#"{"host": "a", "backend": "192.0.2.1:80"}"#;
    // The body promises more than it has; closing the sending side is its early end.
    let request = format!(
        "POST /import.ndjson HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{line}\n\r\nzz\r\n",
        line.len() + 1
    );
    let answer = daemon.client().exchange(request.as_bytes()).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("send the whole import again"), "{answer:?}");
}

/// A large import and export in little memory.
fn memory_stays_bounded(stores: &Stores) {
    let daemon = stores.daemon();
    let lines: String = (0..120_000)
        .map(|number| {
            let host = format!("h{number}.{}.example", "x".repeat(60));
            format!("{}\n", json!({ "host": host, "backend": "192.0.2.1:80" }))
        })
        .collect();
    assert!(lines.len() > 12 << 20);
    let report = daemon.client().send("POST", "/import.ndjson", &[], lines.as_bytes());
    assert_eq!(report.json()["created"], 120_000);
    assert_eq!(daemon.get("/export.ndjson").body.len(), lines.len());
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    eprintln!("peak {kibibytes} KiB for a body of {} KiB", lines.len() / 1024);
    assert!(kibibytes < 400_000, "{kibibytes} KiB");
}
