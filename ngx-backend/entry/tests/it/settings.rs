//! Starts that cannot succeed.

use crate::image::{TOKEN, run_to_end};

#[track_caller]
fn check(variables: &[(&str, &str)], expected: &str) {
    let output = match run_to_end(variables) {
        Ok(output) => output,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains(expected), "{words}");
}

#[test]
fn a_missing_or_wrong_domain_is_one_sentence() {
    check(&[("BACKEND_TOKEN", TOKEN)], "ngx-backend: DOMAIN is not set; name the domain");
    check(
        &[("DOMAIN", "http://example.test")],
        "ngx-backend: DOMAIN is \"http://example.test\": there is more",
    );
    check(&[("DOMAIN", "example.test"), ("LISTEN", "http")], "ngx-backend: LISTEN is \"http\"; write PORT");
}

#[test]
fn what_keeps_the_daemon_from_starting_ends_the_container() {
    check(
        &[("DOMAIN", "example.test"), ("BACKEND_TOKEN", "short")],
        "the token needs at least 16 printable ASCII characters",
    );
}
