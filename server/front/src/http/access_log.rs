//! The access log: one line for each answer on standard error, among the other lines of the log.
//!
//! A worker collects its lines and writes them together soon after, since a write for each would cost more than many an answer.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::{Method, Uri, Version};
use tokio::sync::Notify;

use server_log::push_value;

/// How long a line may wait for others.
const WAIT: Duration = Duration::from_millis(200);
/// How many bytes of lines are collected before they are written without waiting.
const FULL: usize = 32 * 1024;
/// Most bytes in one write. A pipe takes as many without mixing in those of another process (`PIPE_BUF`, pipe(7)).
const ONE_WRITE: usize = 4096;

/// The lines of one worker that are not written yet.
pub(super) struct AccessLog {
    lines: RefCell<String>,
    /// The last client, and how it is written: often the next one is the same.
    client: RefCell<(IpAddr, String)>,
    has_lines: Notify,
}

/// What one line tells.
pub(super) struct Entry<'a> {
    pub(super) client: IpAddr,
    /// None if the head could not be read.
    pub(super) asked: Option<&'a Asked<'a>>,
    pub(super) status: u16,
    /// Of the body that is sent, so 0 for a HEAD.
    pub(super) bytes: u64,
    /// From the complete head to the complete answer, before it is sent.
    pub(super) duration: Duration,
}

/// What a request asked for.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    uri: &'a Uri,
    version: Version,
}

impl<'a> Asked<'a> {
    pub(super) fn of(method: &'a Method, uri: &'a Uri, version: Version) -> Self {
        Self { method, uri, version }
    }

    fn target(&self) -> &str {
        match self.uri.path_and_query() {
            Some(target) => target.as_str(),
            None => self.uri.authority().map_or("", |authority| authority.as_str()),
        }
    }
}

impl AccessLog {
    pub(super) fn new() -> Self {
        Self {
            lines: RefCell::new(String::with_capacity(FULL)),
            client: RefCell::new((Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.to_string())),
            has_lines: Notify::new(),
        }
    }

    /// Adds a line, to be written by whoever runs [`Self::write_out`] or calls [`Self::flush`].
    pub(super) fn record(&self, entry: &Entry<'_>) {
        let mut lines = self.lines.borrow_mut();
        let first = lines.is_empty();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut client = self.client.borrow_mut();
        if client.0 != entry.client {
            *client = (entry.client, entry.client.to_canonical().to_string());
        }
        push_line(&mut lines, now, &client.1, entry);
        if lines.len() >= FULL {
            write_all(&lines);
            lines.clear();
        } else if first {
            self.has_lines.notify_one();
        }
    }

    /// Writes lines soon after they came, for ever.
    pub(super) async fn write_out(&self) {
        loop {
            self.has_lines.notified().await;
            tokio::time::sleep(WAIT).await;
            self.flush();
        }
    }

    /// Writes what is there.
    pub(super) fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        write_all(&lines);
        lines.clear();
    }
}

/// Writes whole lines. Nobody can be told that it failed.
fn write_all(lines: &str) {
    let mut stderr = std::io::stderr().lock();
    for piece in whole_lines(lines, ONE_WRITE) {
        let _ = stderr.write_all(piece.as_bytes());
    }
}

/// `lines` in pieces of at most `most` bytes that end where a line ends; a line longer than that is a piece of its own.
fn whole_lines(mut lines: &str, most: usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if lines.is_empty() {
            return None;
        }
        let end = if lines.len() <= most {
            lines.len()
        } else {
            let bytes = lines.as_bytes();
            let ends_line = |at: &usize| bytes[*at] == b'\n';
            (0..most).rev().find(ends_line).or_else(|| (most..bytes.len()).find(ends_line)).unwrap_or(most)
                + 1
        };
        let (piece, rest) = lines.split_at(end);
        lines = rest;
        Some(piece)
    })
}

fn push_line(line: &mut String, now: Duration, client: &str, entry: &Entry<'_>) {
    line.push_str("time=");
    push_number(line, now.as_secs(), 1);
    line.push('.');
    push_number(line, now.subsec_millis().into(), 3);
    line.push_str(" level=info msg=request client=");
    line.push_str(client);
    if let Some(asked) = &entry.asked {
        line.push_str(" method=");
        push_value(line, asked.method.as_str());
        line.push_str(" target=");
        push_value(line, asked.target());
        line.push_str(if asked.version == Version::HTTP_10 { " http=1.0" } else { " http=1.1" });
    }
    line.push_str(" status=");
    push_number(line, entry.status.into(), 1);
    line.push_str(" bytes=");
    push_number(line, entry.bytes, 1);
    line.push_str(" duration_us=");
    push_number(line, u64::try_from(entry.duration.as_micros()).unwrap_or(u64::MAX), 1);
    line.push('\n');
}

/// Appends a number with at least so many digits. `write!` takes several times as long, which shows when it is done for every request.
fn push_number(line: &mut String, mut number: u64, least_digits: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 || digits.len() - start < least_digits {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits[start..].iter().for_each(|digit| line.push(char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn line_of(client: &str, asked: Option<&Asked<'_>>, status: u16) -> String {
        let (parsed, duration) = (client.parse().unwrap(), Duration::from_micros(57));
        let entry = Entry { client: parsed, asked, status, bytes: 0, duration };
        let mut line = String::new();
        push_line(&mut line, Duration::from_millis(1_700_000_000_007), client, &entry);
        line
    }

    fn line(method: &str, target: &[u8]) -> String {
        let (head, ()) = Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
        let asked = Asked::of(&head.method, &head.uri, head.version);
        line_of("192.0.2.1", Some(&asked), 200)
    }

    #[test]
    fn a_line_tells_one_request() {
        assert_eq!(
            line("GET", b"/ip"),
            "time=1700000000.007 level=info msg=request client=192.0.2.1 method=GET target=/ip http=1.1 \
             status=200 bytes=0 duration_us=57\n"
        );
        assert_eq!(
            line_of("2001:db8::1", None, 400),
            "time=1700000000.007 level=info msg=request client=2001:db8::1 status=400 bytes=0 duration_us=57\n"
        );
    }

    #[test]
    fn lines_are_collected() {
        let log = AccessLog::new();
        for client in ["::ffff:192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "0.0.0.0"] {
            let (client, duration) = (client.parse().unwrap(), Duration::ZERO);
            log.record(&Entry { client, asked: None, status: 200, bytes: 12_345, duration });
        }
        let lines = log.lines.take();
        let clients: Vec<&str> = lines
            .lines()
            .map(|line| line.split_once("client=").unwrap().1.split_once(' ').unwrap().0)
            .collect();
        assert_eq!(clients, ["192.0.2.1", "192.0.2.1", "2001:db8::1", "0.0.0.0"]);
        assert_eq!(lines.matches(" status=200 bytes=12345 duration_us=0\n").count(), 4);
    }

    #[test]
    fn numbers_are_written_in_full() {
        for (number, least_digits, expected) in
            [(0, 1, "0"), (7, 3, "007"), (1234, 3, "1234"), (u64::MAX, 1, "18446744073709551615")]
        {
            let mut line = String::new();
            push_number(&mut line, number, least_digits);
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn a_target_cannot_end_its_value() {
        let cases: [(&[u8], &str); 5] = [
            (b"/a?b=c", r#" target="/a?b=c" "#),
            (b"/a?b=c%20status=200", r#" target="/a?b=c%20status=200" "#),
            (b"/a\"b=", r#" target="/a\"b=" "#),
            (b"/a\\", r#" target="/a\\" "#),
            ("/\u{e9}\u{85}\u{2028}".as_bytes(), " target=\"/\u{e9}\\u{85}\\u{2028}\" "),
        ];
        for (target, expected) in cases {
            let line = line("GET", target);
            assert!(line.contains(expected), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    #[test]
    fn pieces_are_whole_lines() {
        let pieces = |lines: &'static str| whole_lines(lines, 8).collect::<Vec<_>>();
        assert_eq!(pieces(""), [""; 0]);
        assert_eq!(pieces("a\nb\n"), ["a\nb\n"]);
        assert_eq!(pieces("aaa\nbbb\ncc\n"), ["aaa\nbbb\n", "cc\n"]);
        assert_eq!(pieces("aaa\nbbbb\ncc\n"), ["aaa\n", "bbbb\ncc\n"]);
        assert_eq!(pieces("aaaaaaaaaaaa\nb\n"), ["aaaaaaaaaaaa\n", "b\n"]);
    }
}
