//! The log of the programs: one line for each event on standard error, in `key=value` text.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sends every event of at least `level` to standard error. Called once, before any event.
pub fn start(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .event_format(KeyValue)
        .init();
}

/// `time=… level=… msg=… key=value …`, quoted where a value would not read back as one word.
struct KeyValue;

impl<S, N> FormatEvent<S, N> for KeyValue
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line { text: String::with_capacity(160) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line.push("time", format_args!("{}.{:03}", since.as_secs(), since.subsec_millis()));
        line.push("level", format_args!("{}", level_name(*event.metadata().level())));
        event.record(&mut line);
        writeln!(writer, "{}", line.text)
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Appends a value, quoted where it would not read back as one word. It stays on its line whatever is in it, so that no plugin
/// and no client can forge a second one.
pub fn push_value(text: &mut String, value: &str) {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.bytes().all(plain) {
        text.push_str(value);
    } else if value.bytes().all(|byte| plain(byte) || matches!(byte, b'=' | b' ')) {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        // Formatting into a string cannot fail.
        let _ = write!(text, "{value:?}");
    }
}

struct Line {
    text: String,
}

impl Line {
    fn push(&mut self, key: &str, value: fmt::Arguments<'_>) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let key = if key == "message" { "msg" } else { key };
        self.text.push_str(key);
        self.text.push('=');
        push_value(&mut self.text, &value.to_string());
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field.name(), format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field.name(), format_args!("{value:?}"));
    }
}

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_only_where_they_must_be() {
        let cases = [
            ("plain/value:1", "k=plain/value:1"),
            ("two words", r#"k="two words""#),
            ("", r#"k="""#),
            ("a=b", r#"k="a=b""#),
            ("line\nbreak level=info", r#"k="line\nbreak level=info""#),
            ("quote\"", r#"k="quote\"""#),
        ];
        for (value, expected) in cases {
            let mut line = Line { text: String::new() };
            line.push("k", format_args!("{value}"));
            assert_eq!(line.text, expected);
        }
    }
}
