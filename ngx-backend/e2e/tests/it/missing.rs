//! Requests that go nowhere.

use backend_e2e::{Edition, Nginx, Setup};
use serde_json::json;

use test_services::wait_for;

use crate::{PATIENCE, lines_with, with_each};

#[test]
fn an_unknown_host_gets_the_status_that_is_configured() {
    let setup = Setup::default().with_server(
        "location /v502 { set_backend_missing 502; set_backend $backend; proxy_pass http://$backend$request_uri; }
         location /b503 { set_backend_missing 503; proxy_pass http://by_host; }
         location /page { set_backend_missing 503; error_page 503 /sorry; proxy_pass http://by_host; }
         location /sorry { internal; return 503 'come back later\\n'; }
         location /fallback { set_backend_missing 404; error_page 404 = @fallback; set_backend $backend; proxy_pass http://$backend$request_uri; }
         location @fallback { proxy_pass http://127.0.0.1:8003; }",
    );
    with_each(&setup, |nginx| {
        let get = |path: &str| nginx.get("unknown.test", path);
        assert_eq!(get("/variable/").status, 404);
        assert_eq!(get("/balanced/").status, 404);
        assert_eq!(get("/v502").status, 502);
        assert_eq!(get("/b503").status, 503);
        let page = get("/page");
        assert_eq!((page.status, page.body.as_str()), (503, "come back later\n"));
        assert!(get("/fallback").body.starts_with("three "));
        let posted = "POST /balanced/ HTTP/1.1\r\nHost: unknown.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        assert_eq!(nginx.send(posted).status, 404);
    });
}

#[test]
fn an_unknown_host_is_no_error() {
    with_each(&Setup::default(), |nginx| {
        let errors = |log: &str| lines_with(log, "[error]").len();
        for _ in 0..20 {
            nginx.get("unknown.test", "/variable/");
            nginx.get("unknown.test", "/balanced/");
        }
        assert_eq!(errors(&nginx.log()), 0, "{}", nginx.log());
        // Errors that are not this module's are logged as ever.
        nginx.get("one.test", "/no-such-file");
        nginx.wait_for_log("[error]");
    });
}

#[test]
fn a_default_is_for_unknown_hosts_and_not_for_failures() {
    let setup = Setup::default()
        .with_http("set_backend_default 127.0.0.1:8003;")
        .with_host("failing.test", json!({ "does": "fail" }))
        .with_host("panics.test", json!({ "does": "panic" }))
        .with_host("nowhere.test", json!({ "upstreams": [["127.0.0.1:0", 1]] }))
        .with_server("location /other { set_backend_default unix:/run/nginx/http.sock; set_backend $backend; proxy_pass http://$backend/variable/again; }");
    with_each(&setup, |nginx| {
        for path in ["/variable/", "/balanced/"] {
            assert!(nginx.get("unknown.test", path).body.starts_with("three "));
            assert!(nginx.get("one.test", path).body.starts_with("one "));
            for host in ["failing.test", "panics.test", "nowhere.test"] {
                assert_eq!(nginx.get(host, path).status, 404, "{host}");
            }
        }
        let again = nginx.get("unknown.test", "/other");
        assert!(again.body.starts_with("three GET /variable/again "), "{again:?}");
    });
}

#[test]
fn failures_do_not_fill_the_log() {
    let setup = Setup::default().with_host("failing.test", json!({ "does": "fail" }));
    with_each(&setup, |nginx| {
        for _ in 0..50 {
            assert_eq!(nginx.get("failing.test", "/variable/").status, 404);
        }
        assert_eq!(lines_with(&nginx.log(), "[error]").len(), 1, "{}", nginx.log());
    });
}

#[test]
fn a_library_that_cannot_be_loaded_is_logged_once_by_each_worker() {
    let cases = [
        ("/run/nginx/absent.so", "[file.unreadable]"),
        // Not a plugin at all.
        ("/run/nginx/script.json", "[elf."),
        // A plugin of nginx, and not of ours.
        ("/run/nginx/ngx_http_set_backend_module.so", "[note.missing]"),
    ];
    for (library, code) in cases {
        let setup = Setup {
            library: Some(library.to_owned()),
            workers: 2,
            ..Setup::default().with_http("set_backend_missing 503;")
        };
        with_each(&setup, |nginx| {
            for _ in 0..10 {
                assert_eq!(nginx.get("one.test", "/variable/").status, 503);
                assert_eq!(nginx.get("one.test", "/balanced/").status, 503);
            }
            // The other worker may be late.
            let refusal = format!("set_backend_library {library}: refused {code}");
            wait_for("two refusals", PATIENCE, || {
                (lines_with(&nginx.log(), &refusal).len() == 2).then_some(())
            });
            assert_eq!(lines_with(&nginx.log(), "[error]").len(), 2, "{}", nginx.log());
        });
    }
}

#[test]
fn a_library_whose_panics_would_end_a_worker_is_refused_with_a_cure_that_nginx_has() {
    with_each(&Setup { resolver_aborts: true, ..Setup::default() }, |nginx| {
        nginx.wait_for_log("refused [panic.abort]");
        let log = nginx.log();
        let line = lines_with(&log, "refused [panic.abort]")[0];
        assert!(line.contains("no directive allows that; build it with panic = \"unwind\""), "{line}");
        assert!(!line.contains("--allow-abort"), "{line}");
        assert_eq!(nginx.get("one.test", "/balanced/").status, 404);
    });
}

#[test]
fn a_resolver_that_cannot_be_made_is_logged_too() {
    let setup = Setup { script: json!("no table"), ..Setup::default() };
    with_each(&setup, |nginx| {
        // The fixture takes any JSON; a script that is no table knows no host.
        assert_eq!(nginx.get("one.test", "/variable/").status, 404);
    });
    for edition in Edition::NATIVE {
        let setup = Setup { library: None, ..Setup::default() }.with_http(
            "set_backend_library /run/nginx/scripted-resolver.so; set_backend_map /run/nginx/absent;",
        );
        match Nginx::start(edition, &setup) {
            Ok(nginx) => {
                nginx.wait_for_log("refused [create.failed]: could not make an instance");
                assert_eq!(nginx.get("one.test", "/balanced/").status, 404);
            }
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

#[test]
fn without_a_library_every_host_is_unknown() {
    let setup = Setup { library: None, ..Setup::default() };
    let setup = setup
        .with_server("location /default { set_backend_default 127.0.0.1:8002; proxy_pass http://by_host; }");
    with_each(&setup, |nginx| {
        assert_eq!(nginx.get("one.test", "/variable/").status, 404);
        assert!(nginx.get("one.test", "/default").body.starts_with("two "));
    });
}
