//! What is refused when an instance is made, and in which words.

use crate::{ALICE, BOB};
use plugin_testing::middleware;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

fn refusal(settings: &str) -> String {
    let error = middleware(&basic_auth_middleware::PLUGIN, settings, None).unwrap_err().to_string();
    assert!(error.contains("call.invalid-argument"), "{error}");
    error
}

#[test]
fn wrong_settings_are_named() {
    let huge = BOB.replace("m=256", "m=4194304");
    let cases = [
        (r#"{"users": {"carol": "secret"}}"#, "users: carol: no hash that is known; hash the password anew, as argon2 (`argon2 SALT -id -e`) or bcrypt (`htpasswd -nB NAME`)"),
        (&format!(r#"{{"users": {{"carol": "{huge}"}}}}"#), "users: carol: verifying it takes 4096 MiB (m=4194304), and 256 MiB are allowed"),
        (&format!(r#"{{"users": {{"a:b": "{ALICE}"}}}}"#), "users: a:b: is no name"),
        (&format!(r#"{{"users": {{"": "{ALICE}"}}}}"#), "is no name"),
        (r#"{"realm": "Bücher"}"#, "realm: \"Bücher\" is more than printable ASCII"),
        (r#"{"user-header": "authorization"}"#, "user-header: `authorization` cannot be used; write one like x-remote-user"),
        (r#"{"user-header": "x-a b"}"#, "user-header: `x-a b` cannot be used"),
        (r#"{"remember-seconds": 86401}"#, "remember-seconds: 86401; write 0 (never) to 86400"),
        (r#"{"most-remembered": 70000}"#, "most-remembered: 70000; write 0 to 65536"),
        (r#"{"at-once": 0}"#, "at-once: 0; write 1 to 256"),
        (r#"{"user": {}}"#, "unknown field `user`, expected one of `users`, `file`"),
    ];
    for (settings, part) in cases {
        let error = refusal(settings);
        assert!(error.contains(part), "{settings}: {error}");
    }
    assert!(!refusal(cases[0].0).contains("secret"));
}

#[test]
fn files_are_read_if_they_can_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let write = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    let settings = |path: &Path| format!(r#"{{"file": {path:?}, "users": {{"bob": "{BOB}"}}}}"#);
    let cases = [
        ("alice", 0o600, "line 1 is not `name:hash`".to_owned()),
        ("#\nalice:x", 0o600, "line 2: alice: no hash that is known".to_owned()),
        (&format!("alice:{ALICE}\nalice:{ALICE}"), 0o600, "line 2: alice: stands there twice".to_owned()),
        (&format!("bob:{BOB}"), 0o600, "line 1: bob: stands there twice".to_owned()),
        ("", 0o602, "everybody may write to it".to_owned()),
    ];
    for (text, mode, part) in cases {
        write(text, mode);
        let error = refusal(&settings(&path));
        assert!(error.contains(&part) && error.contains(path.to_str().unwrap()), "{text}: {error}");
    }
    assert!(refusal(&settings(folder.path())).contains("is no file"));
    assert!(refusal(&settings(&folder.path().join("absent"))).contains("No such file"));

    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let keep = |_: &str, _, line: &str| LINES.lock().unwrap().push(line.to_owned());
    write(&format!("# users\nalice:{ALICE}\n"), 0o604);
    middleware(&basic_auth_middleware::PLUGIN, &settings(&path), Some(keep)).unwrap();
    let expected = format!("{}: everybody may read the hashes; chmod o-r", path.display());
    assert_eq!(*LINES.lock().unwrap(), [expected]);
}
