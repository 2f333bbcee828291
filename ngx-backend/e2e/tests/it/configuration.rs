//! What `nginx -t` says to mistakes.

use backend_e2e::{Edition, Nginx, Setup};

#[track_caller]
fn check(setup: &Setup, expected: Result<(), &str>) {
    for edition in Edition::NATIVE {
        match Nginx::check(edition, setup) {
            Ok((taken, words)) => {
                assert_eq!(taken, expected.is_ok(), "{edition}: {words}");
                assert!(words.contains(expected.err().unwrap_or("test is successful")), "{edition}: {words}");
            }
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

#[test]
fn a_good_configuration_is_taken() {
    check(&Setup::default(), Ok(()));
    let setup = Setup::default().with_http(
        "upstream other { zone other 64k; set_backend_balancer max_fails=3 fail_timeout=1m; keepalive 2; }",
    );
    check(&setup, Ok(()));
    // Nothing is loaded before there are workers.
    check(&Setup { library: Some("/absent.so".to_owned()), ..Setup::default() }, Ok(()));
}

#[test]
fn mistakes_are_named() {
    let servers = [
        ("set_backend backend;", "set_backend takes a variable, such as $backend"),
        ("set_backend $;", "set_backend takes a variable"),
        ("set_backend_default localhost:3000;", "names are not resolved"),
        (
            "set_backend_default 127.0.0.1;",
            "set_backend_default takes IP:port, [IPv6]:port or unix:/path, not \"127.0.0.1\"",
        ),
        ("set_backend_missing 500;", "set_backend_missing takes 404, 502 or 503"),
        ("set_backend_timeout soon;", "set_backend_timeout takes a time"),
        (
            "set_backend_missing 404; set_backend_missing 502;",
            "\"set_backend_missing\" directive is duplicate",
        ),
        ("set_backend_library /a.so;", "\"set_backend_library\" directive is not allowed here"),
    ];
    for (server, expected) in servers {
        check(&Setup::default().with_server(server), Err(expected));
    }
    let blocks = [
        (
            "upstream bad { keepalive 2; set_backend_balancer; }",
            "set_backend_balancer stands once, and before keepalive",
        ),
        ("upstream bad { set_backend_balancer; set_backend_balancer; }", "set_backend_balancer stands once"),
        ("upstream bad { server 127.0.0.1:1; set_backend_balancer; }", "`server` would never be used"),
        (
            "upstream bad { set_backend_balancer; server 127.0.0.1:1; }",
            "`server` would never be used; take it out, in /run/nginx/",
        ),
        (
            "upstream bad { set_backend_balancer weight=1; }",
            "takes max_fails=NUMBER and fail_timeout=TIME, not \"weight=1\"",
        ),
        ("set_backend_map /a;", "\"set_backend_map\" directive is duplicate"),
        (
            "set_backend_library /a; set_backend_map /b; set_backend_map /c;",
            "\"set_backend_map\" directive is duplicate",
        ),
    ];
    for (block, expected) in blocks {
        check(&Setup::default().with_http(block), Err(expected));
    }
    let early = Setup { library: None, ..Setup::default() }.with_http("set_backend_map /a;");
    check(&early, Err("set_backend_map stands behind the set_backend_library that reads it"));
}

#[test]
fn a_module_for_another_nginx_is_refused() {
    let [old, new] = Edition::NATIVE;
    for (edition, other, numbers) in
        [(old, new, "1026003 instead of 1022001"), (new, old, "1022001 instead of 1026003")]
    {
        let setup = Setup { module_for: Some(other.version), ..Setup::default() };
        match Nginx::check(edition, &setup) {
            Ok((taken, words)) => assert!(!taken && words.contains(&format!("version {numbers}")), "{words}"),
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}
