//! What is refused when an instance is made, and in which words.

use plugin_testing::middleware;
use std::sync::Mutex;

#[test]
fn settings_that_would_not_do_what_they_say_are_refused() {
    let cases = [
        (r#"{"origins": ["*"], "credentials": true}"#, "origins: `*` together with credentials would let every site act as the user; list the origins, or set credentials = false"),
        (r#"{"origins": ["null"], "credentials": true}"#, "origins: `null`, which every site can make itself, together with credentials"),
        (r#"{"origins": ["https://app.example.org/"]}"#, "origins: `https://app.example.org/` is no origin"),
        (r#"{"methods": ["patch"]}"#, "methods: `patch` is compared letter by letter; write PATCH"),
        (r#"{"methods": ["TRACE"]}"#, "methods: no browser sends `TRACE` for a script"),
        (r#"{"methods": ["GET", "*"]}"#, "methods: `*` allows all and stands alone"),
        (r#"{"methods": ["GET, PUT"]}"#, "methods: `GET, PUT` is no name"),
        (r#"{"headers": ["x a"]}"#, "headers: `x a` is no name"),
        (r#"{"expose-headers": [""]}"#, "expose-headers: `` is no name"),
        (r#"{"expose-headers": ["*"], "credentials": true}"#, "expose-headers: with credentials `*` means a field of that name"),
        (r#"{"max-age": -1}"#, "expected u32"),
        (r#"{"origin": ["*"]}"#, "unknown field `origin`, expected one of `origins`, `methods`"),
    ];
    for (settings, part) in cases {
        let error = middleware(&cors_middleware::PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains("call.invalid-argument") && error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn an_instance_without_origins_says_so() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let keep = |_: &str, _, line: &str| LINES.lock().unwrap().push(line.to_owned());
    middleware(&cors_middleware::PLUGIN, "", Some(keep)).unwrap();
    assert_eq!(*LINES.lock().unwrap(), ["no origins are set: scripts of other sites may read nothing"]);
}
