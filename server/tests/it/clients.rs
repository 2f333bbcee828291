//! Who the client is, with and without proxies before the server.

use reqwest::blocking::Client;

use crate::lab::{Lab, Server, server};

/// The address that the server takes for the client's.
fn seen(server: &Server, headers: &[(&str, &str)]) -> String {
    let mut request = Client::new().get(server.url("/ip"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = request.send().unwrap().text().unwrap();
    body.strip_prefix(r#"{"ip": ""#).and_then(|rest| rest.strip_suffix(r#""}"#)).unwrap().to_owned()
}

#[test]
fn a_client_cannot_name_itself() {
    let lab = Lab::new().ip("ip.so");
    for flags in [&[][..], &["--trusted-proxy", "10.0.0.0/8"]] {
        let server = lab.serve(flags);
        for header in [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6"), ("x-real-ip", "6.6.6.6")]
        {
            assert_eq!(seen(&server, &[header]), "127.0.0.1", "{flags:?} {header:?}");
        }
    }
}

#[test]
fn a_trusted_proxy_names_the_client() {
    let lab = Lab::new().ip("ip.so");
    let mut server = lab.serve(&["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"]);
    let cases = [
        ("192.0.2.1", "192.0.2.1"),
        // A client that came with a field of its own, straight and through one more proxy.
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
        ("6.6.6.6, 127.0.0.1, [2001:db8::1]:80, 10.1.1.1", "2001:db8::1"),
        ("192.0.2.1, nonsense", "127.0.0.1"),
    ];
    for (field, expected) in cases {
        assert_eq!(seen(&server, &[("x-forwarded-for", field)]), expected, "{field}");
    }
    // The proxy writes X-Forwarded-For and hands on what else the client sent.
    let both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.7")];
    assert_eq!(seen(&server, &both), "192.0.2.7");
    assert_eq!(seen(&server, &both[..1]), "127.0.0.1");
    server.wait_for_log("client=192.0.2.7 method=GET target=/ip");
}

#[test]
fn the_other_field_is_read_on_request() {
    let lab = Lab::new().ip("ip.so");
    let config = "trusted-proxies = [\"127.0.0.0/8\", \"::1\"]\nforwarded-header = \"forwarded\"\n";
    let server = lab.serve(&[&lab.config(config)]);
    let field = r#"for=6.6.6.6, for="[2001:db8::7]:4711";proto=http"#;
    assert_eq!(seen(&server, &[("forwarded", field), ("x-forwarded-for", "6.6.6.6")]), "2001:db8::7");
    assert_eq!(seen(&server, &[("x-forwarded-for", "6.6.6.6")]), "127.0.0.1");
}

#[test]
fn proxies_are_named_in_the_environment_too() {
    let lab = Lab::new().ip("ip.so");
    let server = Server::start(
        server()
            .arg("--plugin-root")
            .arg(lab.root())
            .env("SERVER_PORT", "0")
            .env("SERVER_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1"),
    );
    assert_eq!(seen(&server, &[("x-forwarded-for", "192.0.2.1, 10.0.0.1")]), "192.0.2.1");
}
