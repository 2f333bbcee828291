//! The numbers, and the slow way to them.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which number of the sequence: 0 to 93, whose numbers an unsigned 64-bit integer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(u8);

/// What was asked for is no [`Index`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnIndex {
    /// Nothing at all.
    #[error("n is missing; write a whole number from 0 to {}, as in /fib/40", Index::LARGEST)]
    Empty,
    /// Not the one way in which this program writes a number: `-1`, `+7`, `05`, `1e3`, `4%30`.
    #[error(
        "n is `{}`; write a whole number from 0 to {}, in decimal digits without sign or leading zeros",
        Shortened(.0), Index::LARGEST
    )]
    NotDecimal(String),
    /// A number whose Fibonacci number does not fit.
    #[error("n is {}; write at most {}, as what follows does not fit into 64 bits", Shortened(.0), Index::LARGEST)]
    TooLarge(String),
}

/// Nobody wants the result any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cancelled;

impl Index {
    /// 12200160415121876738 is the last one below 2⁶⁴.
    pub const LARGEST: u8 = 93;
    /// How many there are.
    pub const COUNT: usize = Self::LARGEST as usize + 1;

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::LARGEST).map(Self)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Index {
    type Err = NotAnIndex;

    /// Each index has one spelling, so that it has one address and one key.
    fn from_str(text: &str) -> Result<Self, NotAnIndex> {
        let number = match text.as_bytes() {
            [] => return Err(NotAnIndex::Empty),
            [b'0'] => Some(0),
            [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => text.parse().ok(),
            _ => return Err(NotAnIndex::NotDecimal(text.to_owned())),
        };
        match number {
            Some(number @ 0..=Self::LARGEST) => Ok(Self(number)),
            _ => Err(NotAnIndex::TooLarge(text.to_owned())),
        }
    }
}

/// Somebody else's text within a sentence: its first characters, on one line.
struct Shortened<'a>(&'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        for character in self.0.chars().take(LONGEST) {
            write!(f, "{}", character.escape_debug())?;
        }
        if self.0.chars().nth(LONGEST).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// Below this, the flag is not looked at: some ten thousand calls, far less than a millisecond.
const UNWATCHED: u8 = 20;

/// The Fibonacci number, by its definition and nothing better: about 3.2 · 1.618ⁿ calls, a second or so for n = 40.
///
/// # Errors
/// [`Cancelled`], less than a millisecond after `cancelled` was set. The work so far is lost.
pub(crate) fn fibonacci(n: Index, cancelled: &AtomicBool) -> Result<u64, Cancelled> {
    watched(n.0, cancelled)
}

/// The upper part of the tree of calls; its cost does not show.
fn watched(n: u8, cancelled: &AtomicBool) -> Result<u64, Cancelled> {
    if cancelled.load(Ordering::Relaxed) {
        return Err(Cancelled);
    }
    if n <= UNWATCHED {
        return Ok(recursive(n));
    }
    Ok(watched(n - 1, cancelled)? + watched(n - 2, cancelled)?)
}

/// The definition. What the calls give is hidden from the compiler, or it would make a loop of one of them.
#[inline(never)]
fn recursive(n: u8) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    black_box(recursive(n - 1)) + black_box(recursive(n - 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[test]
    fn an_index_has_one_spelling() {
        for index in Index::all() {
            assert_eq!(index.to_string().parse(), Ok(index));
        }
        assert_eq!(Index::all().count(), Index::COUNT);
        let cases = [
            ("", "n is missing"),
            ("-1", "n is `-1`; write a whole number from 0 to 93"),
            ("+7", "n is `+7`; write a whole number from 0 to 93"),
            ("05", "n is `05`; write a whole number from 0 to 93"),
            ("00", "n is `00`"),
            ("-0", "n is `-0`"),
            ("1e3", "n is `1e3`"),
            ("7.0", "n is `7.0`"),
            ("0x7", "n is `0x7`"),
            (" 7", "n is ` 7`"),
            ("7\n", "n is `7\\n`"),
            ("%37", "n is `%37`"),
            ("7/8", "n is `7/8`"),
            ("٧", "n is `٧`"),
            ("94", "n is 94; write at most 93"),
            ("256", "n is 256; write at most 93"),
            ("18446744073709551621", "n is 18446744073709551621; write at most 93"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Index>().unwrap_err().to_string();
            assert!(error.starts_with(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_error_is_short_however_long_the_text_is() {
        for text in ["9".repeat(10_000), "é".repeat(10_000), "\u{202e}".repeat(10_000)] {
            let error = text.parse::<Index>().unwrap_err().to_string();
            assert!(error.contains('…') && error.len() < 600, "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_writes_back_the_same(text in ".{0,6}") {
            if let Ok(index) = text.parse::<Index>() {
                prop_assert_eq!(index.to_string(), text);
            }
        }
    }

    #[test]
    fn numbers_are_those_of_the_sequence() {
        let never = AtomicBool::new(false);
        let (mut this, mut next) = (0_u64, 1_u64);
        for index in Index::all().take(31) {
            assert_eq!(fibonacci(index, &never), Ok(this), "{index}");
            (this, next) = (next, this + next);
        }
        // The bound is the right one.
        let fits = |(this, next): &(u64, Option<u64>)| next.map(|next| (next, next.checked_add(*this)));
        let all = std::iter::successors(Some((0, Some(1))), fits).count();
        assert_eq!(all, Index::COUNT);
    }

    #[test]
    fn it_stops_within_milliseconds() {
        let cancelled = AtomicBool::new(false);
        let largest = Index(Index::LARGEST);
        let (ended, told) = std::thread::scope(|scope| {
            let computing = scope.spawn(|| (fibonacci(largest, &cancelled), Instant::now()));
            std::thread::park_timeout(Duration::from_millis(20));
            let told = Instant::now();
            cancelled.store(true, Ordering::Relaxed);
            (computing.join().unwrap(), told)
        });
        assert_eq!(ended.0, Err(Cancelled));
        // Far less by itself; the rest is for a machine that has other things to do.
        assert!(ended.1.saturating_duration_since(told) < Duration::from_millis(500));
    }
}
