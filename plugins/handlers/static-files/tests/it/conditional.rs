//! What a client has already, or wants only as it was (RFC 9110, section 13).

use std::time::SystemTime;

use rustix::fs::{utimensat, AtFlags, Timespec, Timestamps, CWD, UTIME_OMIT};

use crate::client::Site;

/// Sets the time of the last change, in seconds since 1970.
fn set_modified(site: &Site, name: &str, seconds: i64) {
    let time = |tv_nsec| Timespec { tv_sec: seconds, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(0) };
    utimensat(CWD, site.path(name), &times, AtFlags::empty()).unwrap();
}

const LONG_AGO: i64 = 1_000_000_000;
const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const EARLIER: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

#[test]
fn conditions_on_the_time_of_the_last_change() {
    let site = Site::with("\"cache-control\": \"max-age=60\"");
    site.write("file", "content");
    set_modified(&site, "file", LONG_AGO);
    let cases: [(&[(&str, &str)], u16); 13] = [
        (&[], 200),
        (&[("if-modified-since", MODIFIED)], 304),
        (&[("if-modified-since", LATER)], 304),
        (&[("if-modified-since", EARLIER)], 200),
        (&[("if-modified-since", "Sunday, 09-Sep-01 01:46:40 GMT")], 304),
        (&[("if-modified-since", "Sun Sep  9 01:46:40 2001")], 304),
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-modified-since", MODIFIED), ("if-modified-since", MODIFIED)], 200),
        (&[("if-unmodified-since", MODIFIED)], 200),
        (&[("if-unmodified-since", LATER)], 200),
        (&[("if-unmodified-since", EARLIER)], 412),
        (&[("if-unmodified-since", "yesterday")], 200),
        (&[("if-unmodified-since", EARLIER), ("if-modified-since", MODIFIED)], 412),
    ];
    for (headers, status) in cases {
        assert_eq!(site.get("file", headers).status(), status, "{headers:?}");
    }
    let answer = site.get("file", &[("if-modified-since", MODIFIED)]);
    assert_eq!(answer.body(), b"");
    assert_eq!(answer.field("last-modified").unwrap(), MODIFIED);
    assert_eq!(answer.field("cache-control").unwrap(), "max-age=60");
    assert_eq!(answer.field("etag"), site.get("file", &[]).field("etag"));
    assert_eq!(answer.field("content-type"), None);
}

#[test]
fn conditions_on_the_tag() {
    let site = Site::new();
    site.write("file", "content");
    let weak = site.get("file", &[]).field("etag").unwrap();
    let tag = site.strong_tag("file");
    assert_eq!(weak, format!("W/{tag}"), "it was written a moment ago");
    let (list, weak_list) = (format!("\"a\", {tag} , \"b\""), format!("\"a\",{weak}"));
    for (name, value, status) in [
        ("if-none-match", tag.as_str(), 304),
        ("if-none-match", &weak, 304),
        ("if-none-match", &list, 304),
        ("if-none-match", &weak_list, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"other\"", 200),
        ("if-none-match", "", 200),
        ("if-match", &tag, 200),
        ("if-match", &list, 200),
        ("if-match", "*", 200),
        ("if-match", &weak, 412),
        ("if-match", "\"other\"", 412),
        ("if-match", "", 412),
    ] {
        assert_eq!(site.get("file", &[(name, value)]).status(), status, "{name}: {value}");
    }
    // Tags may come in several fields.
    assert_eq!(site.get("file", &[("if-none-match", "\"a\""), ("if-none-match", &tag)]).status(), 304);
    // They say more than times, which are not looked at beside them.
    let now = httpdate::fmt_http_date(SystemTime::now());
    assert_eq!(site.get("file", &[("if-none-match", "\"a\""), ("if-modified-since", &now)]).status(), 200);
    assert_eq!(site.get("file", &[("if-match", &tag), ("if-unmodified-since", EARLIER)]).status(), 200);
    // 412 comes before 304.
    assert_eq!(site.get("file", &[("if-match", "\"a\""), ("if-none-match", &tag)]).status(), 412);
}

#[test]
fn a_tag_changes_with_the_file_even_if_size_and_time_are_put_back() {
    let site = Site::new();
    site.write("file", "content");
    set_modified(&site, "file", LONG_AGO);
    let before = site.strong_tag("file");
    site.write("file", "CONTENT");
    set_modified(&site, "file", LONG_AGO);
    let answer = site.get("file", &[("if-none-match", &before)]);
    assert_eq!((answer.status(), answer.text()), (200, "CONTENT"));
    assert_eq!(answer.field("last-modified").unwrap(), MODIFIED);
    assert_ne!(site.strong_tag("file"), before);
}

#[test]
fn a_file_from_the_future_was_modified_now() {
    let site = Site::new();
    site.write("file", "content");
    // Tomorrow.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    set_modified(&site, "file", i64::try_from(now).unwrap() + 86_400);
    let modified = httpdate::parse_http_date(&site.get("file", &[]).field("last-modified").unwrap()).unwrap();
    assert!(modified <= SystemTime::now());
}

#[test]
fn a_file_from_before_1970_has_no_time() {
    let site = Site::new();
    site.write("file", "content");
    set_modified(&site, "file", -1);
    let answer = site.get("file", &[("if-modified-since", MODIFIED), ("if-unmodified-since", EARLIER)]);
    assert_eq!((answer.status(), answer.field("last-modified")), (200, None));
}
