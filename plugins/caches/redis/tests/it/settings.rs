//! Settings that cannot be right.

use redis_cache::PLUGIN;

#[test]
fn wrong_settings_are_named_without_the_password() {
    let missing = "/nonexistent/ca.pem";
    let cases = [
        (r#"{"address": "http://:secret@h"}"#.to_owned(), "address: no address of Redis; write HOST:PORT"),
        (r#"{"address": "rediss://:secret@h/#insecure"}"#.to_owned(), "certificates are always checked"),
        (format!(r#"{{"address": "rediss://h", "ca-file": "{missing}"}}"#), "ca-file: /nonexistent/ca.pem: "),
        (r#"{"address": "rediss://h", "ca-file": "/etc/passwd"}"#.to_owned(), "holds no certificate in PEM"),
        (r#"{"most-calls": 0}"#.to_owned(), "most-calls: 0; write 1 to 1048576"),
        (r#"{"database": -1}"#.to_owned(), "invalid value: integer `-1`, expected u32"),
        (r#"{"url": "h"}"#.to_owned(), "unknown field `url`, expected one of `address`, `username`"),
    ];
    for (settings, part) in cases {
        let error = plugin_testing::cache(&PLUGIN, &settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
