//! Parts of files (RFC 9110, section 14).

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::client::Site;

const TEXT: &str = "0123456789abcdefghij";

fn site() -> Site {
    let site = Site::new();
    site.write("file.txt", TEXT);
    site
}

#[test]
fn one_part() {
    let site = site();
    for (range, content_range, text) in [
        ("bytes=0-4", "bytes 0-4/20", "01234"),
        ("bytes=10-", "bytes 10-19/20", "abcdefghij"),
        ("bytes=-3", "bytes 17-19/20", "hij"),
        ("bytes=-99", "bytes 0-19/20", TEXT),
        ("bytes=19-99", "bytes 19-19/20", "j"),
        ("bytes=0-4,5-6", "bytes 0-6/20", "0123456"),
    ] {
        let answer = site.get("file.txt", &[("range", range)]);
        assert_eq!((answer.status(), answer.text()), (206, text), "{range}");
        assert_eq!(answer.field("content-range").unwrap(), content_range);
        assert_eq!(answer.field("content-type").unwrap(), "text/plain; charset=utf-8");
        assert_eq!(answer.field("etag"), site.get("file.txt", &[]).field("etag"));
        assert_eq!(answer.field("x-content-type-options").unwrap(), "nosniff");
    }
}

#[test]
fn several_parts() {
    let answer = site().get("file.txt", &[("range", "bytes=15-16,0-1,-1")]);
    assert_eq!((answer.status(), answer.field("content-range")), (206, None));
    let content_type = answer.field("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/20\r\n\r\n{text}"
        )
    };
    let parts = [part("15-16", "fg"), part("0-1", "01"), part("19-19", "j")].concat();
    assert_eq!(answer.text(), format!("{parts}\r\n--{boundary}--\r\n"));
    assert!(boundary.len() <= 70 && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn parts_that_are_not_there() {
    let site = site();
    for range in ["bytes=20-", "bytes=20-30,40-", "bytes=-0"] {
        let answer = site.get("file.txt", &[("range", range)]);
        assert_eq!(
            (answer.status(), answer.field("content-range").unwrap().as_str()),
            (416, "bytes */20"),
            "{range}"
        );
    }
}

#[test]
fn ranges_that_are_not_understood_are_not_there() {
    let site = site();
    for range in ["bytes=4-0", "lines=1-2", "bytes=a-b", "bytes", ""] {
        let answer = site.get("file.txt", &[("range", range)]);
        assert_eq!((answer.status(), answer.text()), (200, TEXT), "{range}");
    }
    let twice = site.get("file.txt", &[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
    assert_eq!(twice.status(), 200);
}

#[test]
fn a_part_is_only_sent_of_the_file_that_the_client_has() {
    let site = site();
    let range = ("range", "bytes=0-1");
    let tag = site.strong_tag("file.txt");
    let answer = site.get("file.txt", &[]);
    let (weak, modified) = (format!("W/{tag}"), answer.field("last-modified").unwrap());
    let earlier = "Sun, 09 Sep 2001 01:46:39 GMT";
    for (value, status) in [
        (tag.as_str(), 206),
        (&modified, 206),
        (&weak, 200),
        ("\"other\"", 200),
        (earlier, 200),
        ("soon", 200),
        ("", 200),
    ] {
        assert_eq!(site.get("file.txt", &[range, ("if-range", value)]).status(), status, "{value}");
    }
    // A condition that fails comes first, and so does what the client has.
    assert_eq!(site.get("file.txt", &[range, ("if-match", "\"other\"")]).status(), 412);
    assert_eq!(site.get("file.txt", &[range, ("if-none-match", &tag)]).status(), 304);

    // While a file is fresh it may change once more within a tick of the clock: its parts may not belong together.
    site.write("file.txt", TEXT);
    let answer = site.get("file.txt", &[]);
    let fresh = answer.field("etag").unwrap();
    assert!(fresh.starts_with("W/"), "{fresh}");
    for value in [fresh.trim_start_matches("W/"), &answer.field("last-modified").unwrap()] {
        assert_eq!(site.get("file.txt", &[range, ("if-range", value)]).status(), 200, "{value}");
    }
}

#[test]
fn only_the_part_of_a_huge_file_is_read() {
    let site = Site::new();
    site.write("huge", "");
    // A terabyte, none of it on the disk: reading it would take for ever, and no memory would hold it.
    let length = 1 << 40;
    let file = File::options().write(true).open(site.path("huge")).unwrap();
    file.set_len(length).unwrap();
    file.write_all_at(b"the end", length - 7).unwrap();
    let answer = site.get("huge", &[("range", "bytes=-7")]);
    assert_eq!((answer.status(), answer.text()), (206, "the end"));
    assert_eq!(answer.field("content-range").unwrap(), "bytes 1099511627769-1099511627775/1099511627776");
    let answer = site.get("huge", &[("range", "bytes=1099511627769-")]);
    assert_eq!(answer.text(), "the end");
}

#[test]
fn a_response_has_a_largest_size() {
    let site = Site::with("\"largest-response\": 10");
    site.write("file", TEXT);
    site.write("small", &TEXT[..10]);
    assert_eq!(site.get("small", &[]).status(), 200);
    let answer = site.get("file", &[]);
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.text(), "The file has 20 bytes, and one response at most 10; ask for ranges.\n");
    assert_eq!(answer.field("accept-ranges").unwrap(), "bytes");

    // A client that reads on from where the last part ended gets all of it.
    let mut text = String::new();
    while text.len() < TEXT.len() {
        let answer = site.get("file", &[("range", &format!("bytes={}-", text.len()))]);
        assert_eq!(answer.status(), 206);
        let last = (text.len() + 9).min(19);
        assert_eq!(answer.field("content-range").unwrap(), format!("bytes {}-{last}/20", text.len()));
        text.push_str(answer.text());
    }
    assert_eq!(text, TEXT);
    let answer = site.get("file", &[("range", "bytes=0-7,10-19")]);
    assert!(answer.text().contains("content-range: bytes 10-11/20\r\n\r\nab\r\n"), "{}", answer.text());
}
