//! What tells one state of a file from another: entity tag and modification time (RFC 9110, section 8.8). Pure.
//!
//! The tag is made from inode, size, modification and change time, not from the content, which would have to be read
//! whole. The kernel sets the change time at every write, and no program can set it back, but its clock ticks only
//! every few milliseconds: what is written twice within a tick looks the same. So the tag is weak while the last change
//! is younger than [`QUIET`], and strong from then on: any further change then gets another time.
//!
//! It is not a promise against everything: writes through a shared memory mapping may reach the file later than its
//! times, and a clock that is set back may repeat one.

use std::collections::hash_map::DefaultHasher;
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// How long a file has to be left alone until its tag is strong. Far above the tick of any kernel, and the second that
/// RFC 9110, section 8.8.2.2, asks of times.
const QUIET: Duration = Duration::from_secs(2);

/// The validators of one state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The opaque tag, with its quotes.
    pub(crate) tag: String,
    /// Whether the tag, and the modification time, are strong validators.
    pub(crate) strong: bool,
    /// Seconds since 1970, and not in the future; `None` for files from before that.
    pub(crate) last_modified: Option<u64>,
}

impl Validators {
    /// Those of a file at this moment.
    pub(crate) fn of(metadata: &Metadata, now: SystemTime) -> Validators {
        Validators::from_facts(
            &Facts {
                inode: metadata.ino(),
                size: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            now,
        )
    }

    fn from_facts(facts: &Facts, now: SystemTime) -> Validators {
        // Inode and times are nobody's business, so they go out as a digest. It only has to differ between states of
        // one file, and nobody gains anything from making it repeat.
        let mut hasher = DefaultHasher::new();
        facts.hash(&mut hasher);
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let quiet_since = now.checked_sub(QUIET).map(|since| since.as_secs());
        Validators {
            tag: format!("\"{:x}-{:016x}\"", facts.size, hasher.finish()),
            strong: matches!(
                (u64::try_from(facts.changed.0), quiet_since), (Ok(changed), Some(since)) if changed < since
            ),
            // Section 8.8.2.1: never later than the response itself.
            last_modified: u64::try_from(facts.modified.0).ok().map(|modified| modified.min(now.as_secs())),
        }
    }

    /// The value of the field `etag`.
    pub(crate) fn etag(&self) -> String {
        format!("{}{}", if self.strong { "" } else { "W/" }, self.tag)
    }

    /// The value of the field `last-modified`.
    pub(crate) fn last_modified(&self) -> Option<String> {
        self.last_modified
            .map(|seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// What a tag is made from. Times in seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Hash)]
struct Facts {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts =
        Facts { inode: 7, size: 10, modified: (1_000_000_000, 5), changed: (1_000_000_100, 6) };

    fn at(facts: &Facts, now: u64) -> Validators {
        Validators::from_facts(facts, SystemTime::UNIX_EPOCH + Duration::from_secs(now))
    }

    #[test]
    fn a_tag_is_strong_once_the_file_was_left_alone() {
        for (now, strong) in [(1_000_000_100, false), (1_000_000_102, false), (1_000_000_103, true)] {
            let validators = at(&FACTS, now);
            assert_eq!(validators.strong, strong, "{now}");
            assert_eq!(validators.etag().starts_with("W/\""), !strong);
        }
        // The clock was set back, or never set.
        assert!(!at(&FACTS, 5).strong);
        assert!(!at(&FACTS, 0).strong);
    }

    #[test]
    fn every_change_makes_another_tag() {
        let changes: [fn(&mut Facts); 6] = [
            |facts| facts.inode = 8,
            |facts| facts.size = 11,
            |facts| facts.modified.0 += 1,
            |facts| facts.modified.1 += 1,
            |facts| facts.changed.0 += 1,
            |facts| facts.changed.1 += 1,
        ];
        let before = at(&FACTS, 1_000_000_200);
        for change in changes {
            let mut facts = FACTS;
            change(&mut facts);
            assert_ne!(at(&facts, 1_000_000_200).tag, before.tag, "{facts:?}");
        }
        assert_eq!(at(&FACTS, 1_000_000_900), before);
    }

    #[test]
    fn times_outside_of_what_http_can_say_do_no_harm() {
        let file_of = |seconds| at(&Facts { modified: (seconds, 0), ..FACTS }, 1_500_000_000).last_modified();
        assert_eq!(file_of(1_000_000_000).unwrap(), "Sun, 09 Sep 2001 01:46:40 GMT");
        assert_eq!(file_of(-1), None);
        assert_eq!(file_of(i64::MIN), None);
        let now = "Fri, 14 Jul 2017 02:40:00 GMT";
        assert_eq!(file_of(1_500_000_001).unwrap(), now);
        assert_eq!(file_of(i64::MAX).unwrap(), now);
    }
}
