//! The example configurations, which nginx of the image checks.

use std::fs;
use std::path::Path;

use crate::image::nginx_checks;

fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = fs::read_dir(&folder).expect("the examples").map(|entry| entry.expect("one").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
    let read = |path: &Path| fs::read_to_string(path).expect("an example can be read");
    files
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), read(&path)))
        .collect()
}

#[test]
fn nginx_takes_them_all() {
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for (name, text) in examples {
        // Ports below 1024 take a capability that the sandbox does not give.
        let text = text.replace("listen 80 ", "listen 8081 ").replace("listen 80;", "listen 8081;");
        match nginx_checks(&text.replace("listen 443 ", "listen 8443 ")) {
            Ok((taken, words)) => {
                assert!(taken, "{name}: {words}");
                assert!(!words.contains("[warn]"), "{name}: {words}");
            }
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

#[test]
fn nginx_would_not_take_just_anything() {
    match nginx_checks("set_backend_map /run/backend/map;") {
        Ok((taken, words)) => assert!(!taken && words.contains("set_backend_map stands behind"), "{words}"),
        Err(missing) => eprintln!("skipped: {}", missing.0),
    }
}

#[test]
fn the_list_of_examples_is_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    for (name, _) in examples() {
        assert!(list.contains(&format!("[{name}]({name})")), "{name}");
    }
}
