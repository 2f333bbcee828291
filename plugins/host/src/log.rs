//! What plugins log, as events of `tracing`.

use crate::instance::LogLevel;

/// A [`LogFunction`](crate::LogFunction) for hosts whose log is `tracing`'s: an event of the line's level, whose message is the line, with the plugin's
/// name in the field `plugin`.
pub fn log_to_tracing(plugin: &str, level: LogLevel, line: &str) {
    match level {
        LogLevel::Error => tracing::error!(plugin, "{line}"),
        LogLevel::Warn => tracing::warn!(plugin, "{line}"),
        LogLevel::Info => tracing::info!(plugin, "{line}"),
        LogLevel::Debug => tracing::debug!(plugin, "{line}"),
        LogLevel::Trace => tracing::trace!(plugin, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    /// Keeps the level of each event and its fields.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(Level, String)>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0 += &format!("{field}={value:?};");
        }
    }

    impl Subscriber for Kept {
        fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _span: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}

        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
        }

        fn enter(&self, _span: &Id) {}

        fn exit(&self, _span: &Id) {}
    }

    #[test]
    fn a_line_is_an_event_of_its_level() {
        let cases = [
            (LogLevel::Error, Level::ERROR),
            (LogLevel::Warn, Level::WARN),
            (LogLevel::Info, Level::INFO),
            (LogLevel::Debug, Level::DEBUG),
            (LogLevel::Trace, Level::TRACE),
        ];
        let kept = Kept::default();
        tracing::subscriber::with_default(kept.clone(), || {
            for (level, _) in cases {
                log_to_tracing("talkative", level, "said {so}");
            }
        });
        let expected = cases.map(|(_, level)| (level, r#"message=said {so};plugin="talkative";"#.to_owned()));
        assert_eq!(*kept.0.lock().unwrap(), expected);
    }
}
