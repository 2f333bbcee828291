//! What a difference probably comes from. Never certain, which is why it is called likely.

use std::fmt;
use std::ops::RangeInclusive;

use super::excerpt::Run;

/// So far around a difference a text is looked through.
const REACH: usize = 200;

/// What a build can leave in what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// The path of a folder.
    Folder,
    /// When it was made.
    Time,
    /// Who made it.
    User,
    /// The machine's name.
    HostName,
    /// Language and time zone.
    Locale,
    /// A build ID that does not follow from the content.
    BuildId,
    /// Whose a file was.
    Owner,
    /// The mode of a file.
    Mode,
    /// In which order things came.
    Order,
    /// How it was compressed.
    Compression,
}

/// A trace, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The kind.
    pub(crate) trace: Trace,
    /// What was recognised.
    pub(crate) what: String,
}

/// What is particular to each of two builds, so that it is recognised where it shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clues {
    /// Of the first build and of the second.
    pub(crate) builds: [Vec<Clue>; 2],
    /// The seconds since 1970 between which both were made.
    pub(crate) times: Option<RangeInclusive<u64>>,
}

/// Something that only one of the builds has.
#[derive(Debug, Clone)]
pub(crate) struct Clue {
    /// What it would be a trace of.
    pub(crate) trace: Trace,
    /// What it is, in words.
    pub(crate) what: String,
    /// As it would show.
    pub(crate) text: String,
}

impl Trace {
    fn cure(self) -> &'static str {
        match self {
            Trace::Folder => {
                "map it (rustc: --remap-path-prefix, C: -ffile-prefix-map), or name files relative to a folder that is the same everywhere"
            }
            Trace::Time => {
                "take it from SOURCE_DATE_EPOCH or leave it out; in C -Werror=date-time finds __DATE__, __TIME__ and __TIMESTAMP__"
            }
            Trace::User => "do not record who builds",
            Trace::HostName => "do not record where it is built",
            Trace::Locale => "build with LC_ALL=C.UTF-8 and TZ=UTC",
            Trace::BuildId => "have the linker derive it from the content (--build-id=sha1)",
            Trace::Owner => "write 0 for owner and group (ar: D, tar: --owner=0 --group=0 --numeric-owner)",
            Trace::Mode => "set the modes of files, and leave none to the umask",
            Trace::Order => "sort what comes out of a folder, a hash table or several threads",
            Trace::Compression => "pin the compressor, its level and its number of threads",
        }
    }
}

impl Cause {
    pub(super) fn new(trace: Trace, what: impl Into<String>) -> Cause {
        Cause { trace, what: what.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; cure: {}", self.what, self.trace.cure())
    }
}

/// What the difference of two contents at byte `at` of both comes from.
pub(super) fn recognise(first: &[u8], second: &[u8], at: usize, clues: &Clues) -> Option<Cause> {
    let runs = [Run::around(first, at, REACH), Run::around(second, at, REACH)];
    known(&runs, clues)
        .or_else(|| clock(&runs))
        .or_else(|| seconds_as_text(&runs, clues))
        .or_else(|| path(&runs))
        .or_else(|| seconds_as_number([first, second], at, clues))
}

/// The same for a field that holds seconds since 1970, an owner or a mode.
pub(super) fn of_field(trace: Trace, name: &str) -> Cause {
    Cause::new(trace, format!("the {name} in the archive"))
}

/// A clue that lies over the difference in its own build's file.
fn known(runs: &[Run<'_>; 2], clues: &Clues) -> Option<Cause> {
    let mut found: Vec<(&Clue, &str)> = Vec::new();
    for ((run, clues), build) in runs.iter().zip(&clues.builds).zip(["first", "second"]) {
        let shows = |clue: &&Clue| covers(run, clue.text.as_bytes());
        found.extend(clues.iter().filter(shows).map(|clue| (clue, build)));
    }
    // A folder rather than the one that it lies in.
    let (clue, build) = found.into_iter().max_by_key(|(clue, _)| clue.text.len())?;
    Some(Cause::new(clue.trace, format!("{} of the {build} build, {:?}", clue.what, clue.text)))
}

/// Whether `wanted` stands in the run, as a word, so that the place is in it or right behind it.
fn covers(run: &Run<'_>, wanted: &[u8]) -> bool {
    let is_within_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let stands_at = |start: usize| {
        let end = start + wanted.len();
        let before = start.checked_sub(1).and_then(|at| run.text.get(at));
        // Texts of Rust have nothing between them, so that a path may begin anywhere.
        let begins = wanted.starts_with(b"/") || !is_within_word(before);
        begins && !is_within_word(run.text.get(end)) && (start..=end).contains(&run.at)
    };
    let mut windows = run.text.windows(wanted.len().max(1)).enumerate();
    windows.any(|(start, part)| part == wanted && stands_at(start))
}

/// Dates and times as programs print them. `0` is a digit, `_` a digit or a space, `A` and `a` are letters.
const CLOCKS: [&str; 6] =
    ["00:00:00", "0000-00-00", "0000/00/00", "Aaa _0 0000", "Aaa _0 00:00", "Aaa Aaa _0 "];

fn clock(runs: &[Run<'_>; 2]) -> Option<Cause> {
    let shape = CLOCKS.iter().find(|shape| runs.iter().all(|run| shaped(run, shape).is_some()))?;
    let [one, other] = runs.map(|run| shaped(&run, shape).unwrap_or_default());
    Some(Cause::new(Trace::Time, format!("a time stamp: {one} and {other}")))
}

/// What of the run has the shape and lies over the place.
fn shaped(run: &Run<'_>, shape: &str) -> Option<String> {
    let fits = |part: &[u8]| {
        part.iter().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            b'_' => byte.is_ascii_digit() || *byte == b' ',
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            exact => *byte == exact,
        })
    };
    let mut windows = run.text.windows(shape.len()).enumerate();
    let (_, part) =
        windows.find(|(start, part)| *start <= run.at && run.at < start + shape.len() && fits(part))?;
    Some(String::from_utf8_lossy(part).trim().to_owned())
}

/// Seconds since 1970 in digits.
fn seconds_as_text(runs: &[Run<'_>; 2], clues: &Clues) -> Option<Cause> {
    let times = clues.times.as_ref()?;
    let number = |run: &Run<'_>| {
        let digits =
            |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|byte| byte.is_ascii_digit()).count();
        let start = run.at - digits(&mut run.text[..run.at].iter().rev());
        let end = run.at + digits(&mut run.text[run.at..].iter());
        let number: u64 = std::str::from_utf8(&run.text[start..end]).ok()?.parse().ok()?;
        times.contains(&number).then_some(number)
    };
    let (one, other) = (number(&runs[0])?, number(&runs[1])?);
    Some(Cause::new(Trace::Time, format!("a time stamp: {one} and {other} seconds since 1970")))
}

/// Two absolute paths that nobody knows.
fn path(runs: &[Run<'_>; 2]) -> Option<Cause> {
    let (one, other) = (path_at(&runs[0])?, path_at(&runs[1])?);
    Some(Cause::new(Trace::Folder, format!("a path: {one} and {other}")))
}

fn path_at(run: &Run<'_>) -> Option<String> {
    let ends = |byte: &u8| {
        matches!(byte, b' ' | b'"' | b'\'' | b':' | b';' | b'=' | b',' | b'(' | b')' | b'<' | b'>')
    };
    let start = run.text[..run.at].iter().rposition(ends).map_or(0, |end| end + 1);
    let end = run.text[run.at..].iter().position(ends).map_or(run.text.len(), |end| run.at + end);
    // Rust lays texts out without anything between them, so that one may begin in the middle of a word.
    let slash = start + run.text[start..end].iter().position(|byte| *byte == b'/')?;
    let path = &run.text[slash..end];
    let is_path = slash <= run.at && path.iter().filter(|byte| **byte == b'/').count() >= 2;
    is_path.then(|| String::from_utf8_lossy(path).into_owned())
}

/// Seconds since 1970 as 32 bits, or as the lower half of 64, of either byte order.
fn seconds_as_number(contents: [&[u8]; 2], at: usize, clues: &Clues) -> Option<Cause> {
    let times = clues.times.as_ref()?;
    for start in at.saturating_sub(3)..=at {
        let parts = contents.map(|content| content.get(start..start + 4)?.try_into().ok());
        let [Some(one), Some(other)] = parts else { continue };
        for read in [u32::from_le_bytes, u32::from_be_bytes] {
            let [one, other] = [one, other].map(|bytes: [u8; 4]| u64::from(read(bytes)));
            if times.contains(&one) && times.contains(&other) {
                let what = format!("a time stamp: {one} and {other} seconds since 1970");
                return Some(Cause::new(Trace::Time, what));
            }
        }
    }
    None
}
