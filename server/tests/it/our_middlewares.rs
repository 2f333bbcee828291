//! The middlewares of this repository before the real server, all together.

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Method, StatusCode};

use crate::lab::{Lab, Server};

const OURS: [&str; 5] = ["basic-auth", "compress", "cors", "rate-limit", "request-id"];

/// `bob` with `password`, from the tests of Argon2's reference implementation.
const CONFIG: &str = r#"
middleware-order = ["request-id", "cors", "rate-limit", "basic-auth", "compress"]
[middlewares.request-id]
settings = { trust = true }
[middlewares.cors]
settings = { origins = ["https://app.example.org"], methods = ["GET", "PUT"], credentials = true }
[middlewares.rate-limit]
settings = { rate = 0.001, burst = 7 }
[middlewares.basic-auth]
blocking = true
settings.users = { bob = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4" }
settings.user-header = "x-remote-user"
[middlewares.compress]
settings = { smallest = 10 }
"#;

fn ask(server: &Server, method: &str) -> RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    Client::new().request(method, server.url("/headers")).header("origin", "https://app.example.org")
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    assert!(response.headers().get_all(name).iter().count() < 2, "{name} came several times");
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn all_of_ours_stand_before_a_handler() {
    let lab = OURS.into_iter().fold(Lab::new().our_handler("headers"), Lab::our_middleware);
    let server = lab.serve(&[&lab.config(CONFIG)]);

    // A preflight has no password, counts as no request, and its answer is a 204 and no 405.
    for _ in 0..20 {
        let preflight =
            ask(&server, "OPTIONS").header("access-control-request-method", "PUT").send().unwrap();
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
        assert_eq!(field(&preflight, "access-control-allow-origin"), Some("https://app.example.org"));
        assert_eq!(field(&preflight, "access-control-allow-methods"), Some("GET, PUT"));
        assert!(field(&preflight, "vary").unwrap().starts_with("Origin"));
    }

    // What stands inside is marked by what stands outside.
    let stranger = ask(&server, "GET").send().unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(field(&stranger, "access-control-allow-credentials"), Some("true"));
    assert_eq!(field(&stranger, "x-request-id").unwrap().len(), 36);

    // The handler sees the name and not the password, and nothing that a client made up.
    let known = |method: &str| ask(&server, method).basic_auth("bob", Some("password"));
    let plain = known("GET").header("x-remote-user", "root").header("x-request-id", "mine-1").send().unwrap();
    assert_eq!((plain.status(), field(&plain, "x-request-id")), (StatusCode::OK, Some("mine-1")));
    assert_eq!(field(&plain, "vary"), Some("Accept-Encoding, Origin"));
    let seen = plain.text().unwrap();
    assert!(
        seen.contains(r#""x-remote-user": "bob""#) && seen.contains(r#""x-request-id": "mine-1""#),
        "{seen}"
    );
    assert!(!seen.contains("root") && !seen.contains("authorization"), "{seen}");

    // HEAD has the fields of GET, also the length of the compressed body.
    let [get, head] = ["GET", "HEAD"].map(|method| {
        known(method).header("accept-encoding", "gzip").header("x-request-id", "mine-2").send().unwrap()
    });
    for name in ["content-encoding", "content-length", "content-type", "vary"] {
        assert_eq!(field(&get, name), field(&head, name), "{name}");
    }
    assert_eq!(field(&get, "content-encoding"), Some("gzip"));
    assert_eq!(get.bytes().unwrap()[..2], [0x1f, 0x8b]);

    // Four of the seven are used up; a refusal can be read by the page that caused it.
    let statuses: Vec<u16> = (0..4).map(|_| known("GET").send().unwrap().status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = known("GET").send().unwrap();
    assert!(field(&refused, "retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(field(&refused, "access-control-allow-origin"), Some("https://app.example.org"));
}

#[test]
fn settings_that_would_open_the_server_to_every_site_stop_it_from_answering() {
    let lab = Lab::new().our_handler("headers").our_middleware("cors");
    let config = lab.config("[middlewares.cors]\nsettings = { origins = [\"*\"], credentials = true }\n");
    let mut server = lab.serve(&[&config]);
    let line = server.wait_for_log("code=create.failed");
    assert!(line.contains("would let every site act as the user"), "{line}");
    assert_eq!(ask(&server, "GET").send().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}
