//! Who is let in, and what the handler then sees.

use crate::{basic_auth, knock, settings, ALICE};
use plugin_host::{MiddlewareInstance, RequestEdit, Response};
use plugin_testing::{answered, middleware, only, passed, TestRequest};
use std::sync::Mutex;

/// What whatever stands behind is shown.
fn edits(instance: &MiddlewareInstance, request: &TestRequest) -> Vec<RequestEdit> {
    let (edits, response) = passed(instance, request, Response::default());
    assert_eq!(response, Response::default());
    edits
}

fn check_refused(instance: &MiddlewareInstance, request: &TestRequest) {
    let response = answered(instance, request);
    assert_eq!(response.status, 401, "{request:?}");
    assert_eq!(only(&response, "www-authenticate"), Some("Basic realm=\"Restricted\", charset=\"UTF-8\""));
    assert_eq!(response.body, b"Name and password, please\n");
}

#[test]
fn users_with_their_passwords_are_let_in_and_nobody_else() {
    let instance = basic_auth(&settings(""));
    for (user, password) in [("alice", "open sesame £"), ("bob", "password"), ("alice", "open sesame £")] {
        let removed = [RequestEdit::RemoveHeader("authorization".into())];
        assert_eq!(edits(&instance, &knock(user, password, &[])), removed);
    }
    let strangers = [
        ("alice", "password"),
        ("bob", "open sesame £"),
        ("alice", ""),
        ("alice", "open sesame "),
        ("alice", "open sesame £ "),
        ("Alice", "open sesame £"),
        ("", ""),
        // A name that is not known is verified against another's hash; even his password does not help.
        ("carol", "password"),
        ("dave", "open sesame £"),
        ("carol", "open sesame £"),
        ("dave", "password"),
    ];
    for (user, password) in strangers {
        check_refused(&instance, &knock(user, password, &[]));
    }
    for value in ["", "Basic", "Basic !", "Bearer abc", "Negotiate YTpi"] {
        check_refused(&instance, &TestRequest::get(&[("authorization", value)]));
    }
    check_refused(&instance, &TestRequest::get(&[]));
    // Whose name is it, if there are two?
    check_refused(&instance, &knock("bob", "password", &[("authorization", "Basic YTpi")]));
}

#[test]
fn users_of_a_file_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    std::fs::write(&path, format!("# of the house\n\nalice:{ALICE}\n")).unwrap();
    let instance = basic_auth(&format!(r#"{{"file": {path:?}}}"#));
    assert_eq!(edits(&instance, &knock("alice", "open sesame £", &[])).len(), 1);
    check_refused(&instance, &knock("bob", "password", &[]));
}

#[test]
fn without_users_nobody_is_let_in_and_the_log_says_so() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let keep = |_: &str, _, line: &str| LINES.lock().unwrap().push(line.to_owned());
    let instance = middleware(&basic_auth_middleware::PLUGIN, "", Some(keep)).unwrap();
    check_refused(&instance, &knock("alice", "open sesame £", &[]));
    check_refused(&instance, &TestRequest::get(&[]));
    assert_eq!(*LINES.lock().unwrap(), ["no users are set: nobody is let in"]);
}

#[test]
fn the_handler_sees_password_and_name_only_if_that_is_set() {
    let spoofed = [("x-remote-user", "root"), ("x-remote-user", "admin")];
    let request = knock("bob", "password", &spoofed);
    let remove = || RequestEdit::RemoveHeader("authorization".into());
    let name = || RequestEdit::SetHeader("x-remote-user".into(), b"bob".to_vec());
    let cases = [
        ("", vec![remove()]),
        (r#", "user-header": "X-Remote-User""#, vec![remove(), name()]),
        (r#", "pass-authorization": true"#, vec![]),
        (r#", "pass-authorization": true, "user-header": "x-remote-user""#, vec![name()]),
    ];
    for (further, expected) in cases {
        assert_eq!(edits(&basic_auth(&settings(further)), &request), expected, "{further}");
    }
    check_refused(&basic_auth(&settings("")), &knock("root", "x", &spoofed));
}

#[test]
fn the_realm_is_quoted() {
    let instance = basic_auth(r#"{"realm": "the \"inner\" \\ circle"}"#);
    let response = answered(&instance, &TestRequest::get(&[]));
    let expected = r#"Basic realm="the \"inner\" \\ circle", charset="UTF-8""#;
    assert_eq!(only(&response, "www-authenticate"), Some(expected));
}
