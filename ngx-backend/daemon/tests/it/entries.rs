//! Entries, one by one and in pages.

use super::{Stores, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    entries_are_created_updated_read_and_deleted,
    every_host_that_can_be_created_can_be_deleted,
    what_cannot_be_is_answered_once_with_one_sentence,
    several_backends_keep_their_weights_and_order,
    pages_lead_through_all_entries_and_filters_choose,
    the_api_says_what_it_is_and_how_it_is,
}

fn entries_are_created_updated_read_and_deleted(stores: &Stores) {
    let daemon = stores.daemon();
    let created = daemon.put("A.com:80", "192.0.2.1:80");
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.json(), json!({ "host": "a.com", "backend": "192.0.2.1:80" }));
    assert!(created.head.contains("location: /entries/a.com.json"), "{}", created.head);
    let updated = daemon.put("a.com.", "192.0.2.2:80");
    assert_eq!((updated.status, updated.json()["backend"].as_str()), (200, Some("192.0.2.2:80")));
    for path in ["/entries/a.com.json", "/entries/A.com%3A80.json", "/entries/%61.com.json"] {
        assert_eq!(daemon.get(path).json(), json!({ "host": "a.com", "backend": "192.0.2.2:80" }), "{path}");
    }
    let deleted = daemon.delete("/entries/A.COM.json");
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    for answer in [daemon.get("/entries/a.com.json"), daemon.delete("/entries/a.com.json")] {
        assert_eq!((answer.status, answer.error().as_str()), (404, "there is no entry for a.com"));
    }
}

fn every_host_that_can_be_created_can_be_deleted(stores: &Stores) {
    let daemon = stores.daemon();
    for (host, encoded) in [
        ("*.example.com", "%2A.example.com"),
        ("*", "%2a"),
        ("[2001:db8::1]", "%5B2001%3Adb8%3A%3A1%5D"),
        ("a.json", "a.json"),
        ("_dmarc.xn--bcher-kva.example", "_dmarc.xn--bcher-kva.example"),
        ("192.0.2.1", "192%2E0.2.1"),
    ] {
        assert_eq!(daemon.put(host, "unix:/run/app.sock").status, 201, "{host}");
        assert_eq!(daemon.get(&format!("/entries/{encoded}.json")).status, 200, "{host}");
        assert_eq!(daemon.delete(&format!("/entries/{encoded}.json")).status, 204, "{host}");
    }
    assert_eq!(daemon.put("a/b", "192.0.2.1:80").status, 422);
    for path in ["/entries/a%2Fb.json", "/entries/a/b.json"] {
        let answer = daemon.delete(path);
        assert_eq!(answer.status, 422, "{path}");
        assert!(answer.error().starts_with("host \"a/b\": it has the character '/'"), "{answer:?}");
    }
}

fn what_cannot_be_is_answered_once_with_one_sentence(stores: &Stores) {
    let daemon = stores.daemon();
    let post = |body: &str| daemon.client().send("POST", "/entries.json", &[], body.as_bytes());
    for (body, status, part) in [
        ("", 400, "this is no JSON (EOF"),
        ("{\"host\":", 400, "this is no JSON (EOF"),
        ("not json", 400, "this is no JSON (expected ident"),
        (r#"{"host": "", "backend": "192.0.2.1:80"}"#, 422, "host \"\": it is empty"),
        (r#"{"host": "a", "backend": "app:3000"}"#, 422, "`app` is a name, and nginx would need a resolver"),
        (r#"{"host": "a", "backend": "http://192.0.2.1"}"#, 422, "it is a URL"),
        (r#"{"host": "a", "backend": "192.0.2.1"}"#, 422, "it has no port; write 192.0.2.1:80"),
    ] {
        let answer = post(body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.error().contains(part), "{body}: {answer:?}");
        assert_eq!(answer.head.matches("http/1.0").count(), 1);
    }
    let large = post(&format!(r#"{{"host": "{}"}}"#, "a".repeat(70_000)));
    assert_eq!((large.status, large.error().contains("more than 65536 bytes")), (413, true));
    for (method, path, status) in
        [("GET", "/nothing", 404), ("PATCH", "/entries.json", 405), ("GET", "/entries.json?page=2", 400)]
    {
        let answer = daemon.client().send(method, path, &[], b"");
        assert_eq!(answer.status, status, "{path}");
        answer.error();
    }
    // HTTP/1.0 without a host is what the client of these tests always sends; with an empty and a foreign one it is the same.
    for host in ["", "a b", "example.com"] {
        assert_eq!(daemon.client().send("GET", "/healthz", &[("host", host)], b"").status, 200);
    }
}

fn several_backends_keep_their_weights_and_order(stores: &Stores) {
    let daemon = stores.daemon();
    let backend = json!([
        { "address": "192.0.2.2:80", "weight": 3 },
        { "address": "[2001:db8::1]:80", "weight": 1 },
        { "address": "unix:/run/app.sock", "weight": 65_535 },
    ]);
    let body = json!({ "host": "a", "backend": backend }).to_string();
    assert_eq!(daemon.client().send("POST", "/entries.json", &[], body.as_bytes()).status, 201);
    assert_eq!(daemon.get("/entries/a.json").json()["backend"], backend);
}

fn pages_lead_through_all_entries_and_filters_choose(stores: &Stores) {
    let daemon = stores.daemon();
    for number in 0..25 {
        assert_eq!(
            daemon.put(&format!("h{number:02}.example"), &format!("192.0.2.{}:80", number % 3 + 1)).status,
            201
        );
    }
    let all = |start: &str| {
        let (mut hosts, mut path, mut pages) = (Vec::new(), start.to_owned(), 0);
        loop {
            let page = daemon.get(&path).json();
            pages += 1;
            let entries = page["entries"].as_array().unwrap();
            hosts.extend(entries.iter().map(|entry| entry["host"].as_str().unwrap().to_owned()));
            match &page["next"] {
                Value::String(next) => path.clone_from(next),
                _ => return (hosts, pages),
            }
        }
    };
    let (hosts, pages) = all("/entries.json?limit=10");
    assert_eq!((hosts.len(), pages), (25, 3));
    assert!(hosts.is_sorted());
    assert_eq!(all("/entries.json").0, hosts);
    assert_eq!(all("/entries.json?after=h22.example").0, ["h23.example", "h24.example"]);
    assert_eq!(all("/entries.json?host=H1&limit=4").0.len(), 10);
    assert_eq!(all("/entries.json?backend=192.0.2.3%3A80&limit=3").0.len(), 8);
    assert_eq!(all("/entries.json?host=nothing").0.len(), 0);
}

fn the_api_says_what_it_is_and_how_it_is(stores: &Stores) {
    let daemon = stores.daemon();
    let page = daemon.get("/");
    assert!(page.body.contains("DELETE /entries/{host}.json"), "{}", page.body);
    assert_eq!(daemon.get("/openapi.json").json()["openapi"], "3.1.0");
    assert_eq!(daemon.get("/healthz").json(), json!({ "status": "ok" }));
    daemon.put("a", "192.0.2.1:80");
    let metrics = daemon.get("/metrics").body;
    for line in ["backend_entries 1", "backend_changes_total 1", "backend_healthy 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}
