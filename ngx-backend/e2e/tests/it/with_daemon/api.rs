//! What the API does, asked through nginx as `api.$DOMAIN`, and seen there in where requests go.

use backend_e2e::{Answer, Daemon, Nginx, Setup};
use serde_json::{Value, json};
use test_services::wait_for;

use super::{BOTH_WAYS, SNAPSHOT, assert_it_leads_to, leads_to, setup, start, until_it_leads_to};
use crate::{PATIENCE, with_each};

const API: &str = "api.example.net";

/// nginx says for whom it asks, so that it has no right of its own, whatever user it runs as.
fn with_api(setup: Setup) -> Setup {
    setup.with_http(
        "server { listen unix:/run/nginx/http.sock; server_name api.example.net;
           location / { proxy_pass http://unix:/run/nginx/api.sock:; proxy_http_version 1.1; proxy_request_buffering off; client_max_body_size 0;
                        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }",
    )
}

fn ask(nginx: &Nginx, method: &str, target: &str, body: &str) -> Answer {
    let right = format!("Bearer {}", Daemon::TOKEN);
    nginx.ask(method, API, target, &[("Authorization", &right)], body)
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[track_caller]
fn put(nginx: &Nginx, host: &str, backend: &Value, status: u16) -> Value {
    let answer =
        ask(nginx, "POST", "/entries.json", &json!({ "host": host, "backend": backend }).to_string());
    assert_eq!(answer.status, status, "{answer:?}");
    json_of(&answer)
}

#[test]
fn entries_are_made_changed_read_and_deleted_through_nginx() {
    with_each(&with_api(setup(SNAPSHOT)), |nginx| {
        let daemon = start(nginx);
        let entry = put(nginx, "A.com:80", &json!("127.0.0.1:8001"), 201);
        assert_eq!(entry, json!({ "host": "a.com", "backend": "127.0.0.1:8001" }));
        // However a client writes it.
        for host in ["a.com", "A.com", "a.com:80", "A.COM.:8080"] {
            until_it_leads_to(nginx, host, "one");
        }
        put(nginx, "a.com", &json!("127.0.0.1:8002"), 200);
        until_it_leads_to(nginx, "a.com", "two");
        let read = ask(nginx, "GET", "/entries/A.com%3A80.json", "");
        assert_eq!((read.status, json_of(&read)["backend"].as_str()), (200, Some("127.0.0.1:8002")));
        assert_eq!(ask(nginx, "DELETE", "/entries/a.com.json", "").status, 204);
        wait_for("the deletion", PATIENCE, || (nginx.get("a.com", "/variable/").status == 503).then_some(()));
        assert_eq!(ask(nginx, "GET", "/entries/a.com.json", "").status, 404);

        // What is percent-encoded comes through as it is, so that whatever could be made can be deleted.
        put(nginx, "*.example.com", &json!("127.0.0.1:8003"), 201);
        until_it_leads_to(nginx, "any.example.com", "three");
        assert_eq!(ask(nginx, "DELETE", "/entries/%2A.example.com.json", "").status, 204);
        let slash = ask(nginx, "DELETE", "/entries/a%2Fb.json", "");
        assert!(
            slash.status == 422 && slash.body.contains(r#"host \"a/b\": it has the character '/'"#),
            "{slash:?}"
        );
        assert_eq!(daemon.metric("backend_entries"), 0.0);
    });
}

#[test]
fn requests_go_where_the_most_exact_entry_leads_and_nowhere_without_one() {
    let setup = setup(SNAPSHOT)
        .with_http("server { listen [::1]:8006; listen unix:/run/nginx/upstream.sock; location / { return 200 'other\\n'; } }");
    with_each(&with_api(setup), |nginx| {
        let daemon = start(nginx);
        put(nginx, "www.example.com", &json!("127.0.0.1:8001"), 201);
        put(nginx, "*.example.com", &json!("127.0.0.1:8002"), 201);
        until_it_leads_to(nginx, "a.b.example.com", "two");
        assert_it_leads_to(nginx, "www.example.com", "one");
        // Nobody is sent to somebody else's site, unless the operator says so.
        for host in ["example.com", "example.org", "google.com", "localhost"] {
            for path in BOTH_WAYS {
                assert_eq!(nginx.get(host, path).status, 503, "{host}");
            }
        }
        put(nginx, "*", &json!("127.0.0.1:8003"), 201);
        until_it_leads_to(nginx, "example.org", "three");
        assert_it_leads_to(nginx, "example.com", "three");
        assert_it_leads_to(nginx, "www.example.com", "one");
        daemon.delete("%2A");
        daemon.delete("www.example.com");
        until_it_leads_to(nginx, "www.example.com", "two");

        for (host, backend) in [("six.test", "[::1]:8006"), ("unix.test", "unix:/run/nginx/upstream.sock")] {
            put(nginx, host, &json!(backend), 201);
            for path in BOTH_WAYS {
                wait_for(backend, PATIENCE, || (nginx.get(host, path).body == "other\n").then_some(()));
            }
        }
        let weighted = json!([{ "address": "127.0.0.1:8001", "weight": 3 }, { "address": "127.0.0.1:8002", "weight": 1 }]);
        assert_eq!(put(nginx, "shares.test", &weighted, 201)["backend"], weighted);
        wait_for("the shares", PATIENCE, || {
            (nginx.get("shares.test", "/balanced/").status == 200).then_some(())
        });
        for path in BOTH_WAYS {
            let ones = (0..80).filter(|_| leads_to(nginx, "shares.test", path, "one")).count();
            assert!(ones.abs_diff(60) <= 4, "{path}: {ones} of 80");
        }
        // One of several that does not answer is passed over.
        put(nginx, "half.test", &json!(["127.0.0.1:8009", "127.0.0.1:8003"]), 201);
        wait_for("both", PATIENCE, || (nginx.get("half.test", "/balanced/").status == 200).then_some(()));
        (0..10).for_each(|_| assert!(leads_to(nginx, "half.test", "/balanced/", "three")));
    });
}

#[test]
fn many_entries_come_and_go_through_nginx() {
    const MANY: usize = 5_000;
    with_each(&with_api(setup(SNAPSHOT)), |nginx| {
        let _daemon = start(nginx);
        let line =
            |number: usize| json!({ "host": format!("h{number:04}.test"), "backend": "127.0.0.1:8001" });
        let lines: String = (0..MANY).map(|number| format!("{}\n", line(number))).collect();
        let report = ask(nginx, "POST", "/import.ndjson", &(lines.clone() + "no entry\n"));
        assert_eq!(
            (report.status, json_of(&report)["created"].as_u64()),
            (422, Some(MANY as u64)),
            "{report:?}"
        );
        until_it_leads_to(nginx, "h0000.test", "one");
        until_it_leads_to(nginx, "h4999.test", "one");

        let exported = ask(nginx, "GET", "/export.ndjson", "");
        let parse =
            |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        assert_eq!(parse(&exported.body), parse(&lines));

        let (mut hosts, mut page) = (Vec::new(), "/entries.json?limit=300&host=H1".to_owned());
        loop {
            let found = json_of(&ask(nginx, "GET", &page, ""));
            hosts.extend(found["entries"].as_array().unwrap().iter().map(|one| one["host"].clone()));
            match found["next"].as_str() {
                Some(next) => page = next.to_owned(),
                None => break,
            }
        }
        let expected: Vec<Value> = (1_000..2_000).map(|number| json!(format!("h{number}.test"))).collect();
        assert_eq!(hosts, expected);
    });
}

#[test]
fn what_cannot_be_is_told_once_and_changes_nothing() {
    with_each(&with_api(setup(SNAPSHOT)), |nginx| {
        let daemon = start(nginx);
        for (body, status, part) in [
            ("{\"host\":", 400, "this is no JSON"),
            (r#"{"host": "", "backend": "127.0.0.1:80"}"#, 422, "it is empty"),
            (
                r#"{"host": "a", "backend": "localhost:80"}"#,
                422,
                "`localhost` is a name, and nginx would need a resolver",
            ),
            (r#"{"host": "a", "backend": "http://127.0.0.1"}"#, 422, "it is a URL"),
        ] {
            let answer = ask(nginx, "POST", "/entries.json", body);
            let error = json_of(&answer);
            assert!(answer.status == status && error["error"].as_str().unwrap().contains(part), "{answer:?}");
            // Everything up to the end of the connection was read: there is no second answer behind the first.
            assert_eq!(
                answer.field("Content-Length"),
                Some(answer.body.len().to_string().as_str()),
                "{answer:?}"
            );
        }
        assert_eq!(daemon.metric("backend_changes_total"), 0.0);
    });
}

#[test]
fn the_world_sees_the_documentation_and_nothing_of_the_map() {
    with_each(&with_api(setup(SNAPSHOT)), |nginx| {
        let daemon = start(nginx);
        daemon.put("a.test", json!("127.0.0.1:8001"));
        let public = |target: &str| {
            let answer = nginx.ask("GET", API, target, &[], "");
            assert_eq!(answer.status, 200, "{answer:?}");
            answer
        };
        assert!(public("/").body.contains("DELETE /entries/{host}.json"));
        assert_eq!(json_of(&public("/openapi.json"))["openapi"], "3.1.0");
        assert_eq!(json_of(&public("/healthz")), json!({ "status": "ok" }));
        let body = r#"{"host": "a.test", "backend": "127.0.0.1:8002"}"#;
        for (method, target) in [
            ("GET", "/metrics"),
            ("GET", "/entries.json"),
            ("POST", "/entries.json"),
            ("GET", "/entries/a.test.json"),
            ("DELETE", "/entries/a.test.json"),
            ("GET", "/export.ndjson"),
            ("POST", "/import.ndjson"),
        ] {
            // A client that claims to come from the machine itself stays a client.
            for fields in [
                &[][..],
                &[("Authorization", "Bearer of-somebody-else")],
                &[("X-Forwarded-For", "127.0.0.1")],
            ] {
                let answer = nginx.ask(method, API, target, fields, body);
                assert_eq!(answer.status, 401, "{method} {target} {fields:?}");
                assert!(!answer.body.contains("8001"), "{answer:?}");
            }
            assert_ne!(ask(nginx, method, target, body).status, 401, "{method} {target}");
        }
    });
}
