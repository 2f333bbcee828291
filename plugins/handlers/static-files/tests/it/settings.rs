//! What the operator sets.

use crate::client::{create, Site};

#[test]
fn without_a_folder_there_is_no_instance() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{{\"folder\": \"{}\"}}", folder.path().join(name).display());
    std::fs::write(folder.path().join("file"), "content").unwrap();
    create(&path("")).unwrap();
    for (settings, part) in [
        (String::new(), "`folder` is missing; name the folder to serve"),
        ("{}".to_owned(), "`folder` is missing; name the folder to serve"),
        (path("none"), "cannot be opened as a folder (No such file or directory"),
        (path("file"), "cannot be opened as a folder (Not a directory"),
        ("{\"folder\": \"www\"}".to_owned(), "`folder` is \"www\"; give an absolute path"),
        ("{\"folders\": \"/srv\"}".to_owned(), "unknown field `folders`"),
        ("{\"folder\": \"/\", \"largest-response\": -1}".to_owned(), "expected u64"),
        ("{\"folder\": \"/\", \"largest-response\": 0}".to_owned(), "`largest-response` is 0"),
        ("/srv/www".to_owned(), "the settings are not what is expected"),
    ] {
        let error = create(&settings).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("call.invalid-argument") && error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn it_says_where_it_wants_to_be() {
    let site = Site::new();
    assert_eq!((site.handler.route(), site.handler.methods()), ("/static/", ["GET".to_owned()].as_slice()));
}

#[test]
fn types_charset_and_cache_control_are_the_operators() {
    let site = Site::with(
        r#""types": {"foo": "text/x-foo"}, "charset": "iso-8859-1", "cache-control": "public, max-age=60""#,
    );
    site.write("a.foo", "content");
    let answer = site.get("a.foo", &[]);
    assert_eq!(answer.field("content-type").unwrap(), "text/x-foo; charset=iso-8859-1");
    assert_eq!(answer.field("cache-control").unwrap(), "public, max-age=60");
    assert_eq!(site.get("none", &[]).field("cache-control"), None);
}
