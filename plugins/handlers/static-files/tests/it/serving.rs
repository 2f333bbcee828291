//! Files as they are, and everything that is none.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};

use crate::client::{request, Site};

#[test]
fn a_file_is_sent_with_what_describes_it() {
    let site = Site::new();
    site.write("a/page.html", "<p>hello</p>");
    let answer = site.get("a/page.html", &[]);
    assert_eq!((answer.status(), answer.text()), (200, "<p>hello</p>"));
    assert_eq!(answer.field("content-type").unwrap(), "text/html; charset=utf-8");
    assert_eq!(answer.field("accept-ranges").unwrap(), "bytes");
    assert_eq!(answer.field("x-content-type-options").unwrap(), "nosniff");
    assert_eq!(answer.field("cache-control"), None);
    let modified: std::time::SystemTime = fs::metadata(site.path("a/page.html")).unwrap().modified().unwrap();
    assert_eq!(answer.field("last-modified").unwrap(), httpdate::fmt_http_date(modified));
    assert!(answer.field("etag").is_some());
}

#[test]
fn bytes_stay_bytes() {
    let site = Site::new();
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    site.write("bytes", &content);
    site.write("empty", "");
    let answer = site.get("bytes", &[]);
    assert_eq!(answer.field("content-type").unwrap(), "application/octet-stream");
    assert!(answer.body() == content);
    assert_eq!((site.get("empty", &[]).status(), site.get("empty", &[]).body()), (200, &[][..]));
}

#[test]
fn names_may_be_anything_that_linux_takes() {
    let site = Site::new();
    for (name, path) in
        [("a b", "a%20b"), ("100%", "100%25"), ("ä", "%c3%a4"), ("a\\b", "a%5Cb"), ("q?", "q%3f")]
    {
        site.write(name, name);
        assert_eq!(site.get(path, &[]).text(), name, "{path}");
    }
    use std::os::unix::ffi::OsStrExt;
    fs::write(site.path("").join(std::ffi::OsStr::from_bytes(b"\xff")), "not UTF-8").unwrap();
    assert_eq!(site.get("%FF", &[]).text(), "not UTF-8");
}

#[test]
fn nothing_outside_of_the_folder_is_ever_sent() {
    let site = Site::with("\"dot-files\": true");
    site.write("folder/file", "content");
    symlink("../outside", site.path("link")).unwrap();
    symlink("..", site.path("up")).unwrap();
    symlink("../../outside", site.path("folder/link")).unwrap();
    symlink(site.path("../outside"), site.path("absolute")).unwrap();
    symlink("file", site.path("folder/good-link")).unwrap();
    assert_eq!(site.get("folder/good-link", &[]).text(), "content");
    for path in [
        "../outside",
        "..%2foutside",
        "%2e%2e/outside",
        "%2e%2e%2foutside",
        "folder/../../outside",
        "folder/%2e%2e/%2e%2e/outside",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "%2Fetc/passwd",
        "folder//../../outside",
        "./file",
        "folder/file%00",
        "folder/file%00.html",
        "link",
        "up/outside",
        "folder/link",
        "absolute",
        "..\\outside",
        "..%5coutside",
        "%252e%252e/outside",
        "folder/file/",
        "folder/file/more",
        "none",
        &"x".repeat(5000),
    ] {
        let answer = site.get(path, &[]);
        assert_eq!((answer.status(), answer.text()), (404, "Not found.\n"), "{path}");
    }
    for path in ["%", "a%2", "%zz/../outside"] {
        assert_eq!(site.get(path, &[]).status(), 400, "{path}");
    }
}

#[test]
fn names_with_a_dot_are_served_only_if_the_operator_wants_it() {
    let names = [".env", ".git/config", "folder/.htaccess"];
    for (settings, status) in [("", 404), ("\"dot-files\": true", 200)] {
        let site = Site::with(settings);
        site.write(".well-known/security.txt", "contact");
        assert_eq!(site.get(".well-known/security.txt", &[]).status(), 200);
        for name in names {
            site.write(name, "secret");
            assert_eq!(site.get(name, &[]).status(), status, "{name}");
        }
    }
}

#[test]
fn what_is_no_file_is_not_there_and_makes_nobody_wait() {
    let site = Site::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, site.path("fifo"), rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    for name in ["fifo", "socket"] {
        assert_eq!(site.get(name, &[]).status(), 404, "{name}");
    }
}

#[test]
fn what_the_server_may_not_read_is_forbidden() {
    let site = Site::new();
    site.write("private", "secret");
    fs::set_permissions(site.path("private"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(site.path("private")).is_ok() {
        eprintln!("skipped: this user may read every file");
        return;
    }
    assert_eq!(site.get("private", &[]).status(), 403);
}

#[test]
fn the_operator_may_mount_it_anywhere() {
    let site = Site::new();
    site.write("a/b", "content");
    site.write("index.html", "index");
    for (mount, path) in [("/", "/a/b"), ("/files/", "/files/a/b"), ("/static/a/", "/static/a/a/b")] {
        assert_eq!(site.get_at(mount, path, &[]).text(), "content", "{mount}");
    }
    // A mount without a slash behind it takes only itself: the index.
    assert_eq!(site.get_at("/favicon.ico", "/favicon.ico", &[]).text(), "index");
    assert_eq!(site.get_at("/files/", "/other/a/b", &[]).status(), 404);
}

#[test]
fn a_folder_that_is_a_link_may_be_pointed_elsewhere_while_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for version in ["1", "2"] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("file"), version).unwrap();
    }
    symlink("1", path("current")).unwrap();
    let settings = format!("{{\"folder\": \"{}\"}}", path("current").display());
    let handler = crate::client::create(&settings).unwrap();
    let get = || handler.handle(&request("/static/", "/static/file", &[]));
    assert_eq!(get().unwrap().body, b"1");
    symlink("2", path("next")).unwrap();
    fs::rename(path("next"), path("current")).unwrap();
    assert_eq!(get().unwrap().body, b"2");

    handler.health().unwrap();
    fs::remove_file(path("current")).unwrap();
    assert_eq!(get().unwrap_err().code(), "call.unavailable");
    assert_eq!(handler.health().unwrap_err().code(), "call.unavailable");
    symlink("1", path("current")).unwrap();
    assert_eq!(get().unwrap().body, b"1");
    handler.health().unwrap();
}
