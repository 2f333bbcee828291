//! Folders: an index, a slash, and never a list.

use std::fs;

use crate::client::Site;

#[test]
fn a_folder_is_its_index_or_nothing() {
    let site = Site::new();
    site.write("index.html", "top");
    site.write("docs/index.html", "docs");
    fs::create_dir(site.path("bare")).unwrap();
    fs::create_dir_all(site.path("odd/index.html")).unwrap();
    assert_eq!(site.get("", &[]).text(), "top");
    let answer = site.get("docs/", &[]);
    assert_eq!(
        (answer.text(), answer.field("content-type").unwrap().as_str()),
        ("docs", "text/html; charset=utf-8")
    );
    for path in ["bare/", "odd/", "none/"] {
        assert_eq!(site.get(path, &[]).status(), 404, "{path}");
    }
}

#[test]
fn the_index_has_another_name_or_is_off() {
    for (settings, expected) in [("\"index\": \"start.txt\"", 200), ("\"index\": \"\"", 404)] {
        let site = Site::with(settings);
        site.write("docs/start.txt", "start");
        site.write("docs/index.html", "index");
        let answer = site.get("docs/", &[]);
        assert_eq!(answer.status(), expected, "{settings}");
        assert_ne!(answer.text(), "index");
    }
}

#[test]
fn a_folder_without_slash_leads_to_the_one_with() {
    let site = Site::new();
    for name in ["docs", "a:b", "a b", "ä?", "deep/er"] {
        fs::create_dir_all(site.path(name)).unwrap();
    }
    for (path, location) in [
        ("docs", "./docs/"),
        ("docs?page=2", "./docs/?page=2"),
        ("deep/er", "./er/"),
        ("a:b", "./a%3Ab/"),
        ("%61%20b", "./a%20b/"),
        ("%C3%A4%3f", "./%C3%A4%3F/"),
    ] {
        let answer = site.get(path, &[]);
        assert_eq!((answer.status(), answer.field("location").unwrap().as_str()), (301, location), "{path}");
    }
    // No path can make the answer lead to another host.
    for path in ["//example.org", "//example.org/docs", "/\\example.org"] {
        assert_eq!(site.get_at("/", path, &[]).status(), 404, "{path}");
    }
}
