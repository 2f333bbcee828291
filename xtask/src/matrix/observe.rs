//! Loads artifacts inside a host image: one sandbox a host, one probe process a plugin.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::cell::Observed;
use super::memory::Memory;
use crate::engine::{Engine, Exit, Job, Mount};
use crate::ground::Ground;
use crate::image::Image;

/// CPU time that a probe may use. A probe of a good plugin uses less than 0.2 s, emulated.
const CPU_SECONDS: u32 = 3;
/// Wall-clock time that a probe may use; it ends what sleeps for ever.
const WALL_SECONDS: u32 = 30;
/// Time for starting a sandbox.
pub(super) const START_SECONDS: u64 = 60;
/// Where `dist/` is mounted.
pub(super) const DIST: &str = "/dist";

/// A plugin to load.
#[derive(Clone)]
pub(crate) struct Subject<'a> {
    /// Its file, relative to `dist/`.
    pub(crate) file: String,
    /// Of its content.
    pub(crate) sha256: &'a str,
    /// Cut the file short between the verdict and the loading.
    pub(crate) truncate_after_judging: bool,
    /// Whether the host takes plugins whose panics end it.
    pub(crate) allow_abort: bool,
    /// The settings of its instance.
    pub(crate) settings: String,
    /// The path that it is asked for, if not its route.
    pub(crate) path: Option<&'a str>,
    /// Fields of the request that it is shown.
    pub(crate) headers: &'a BTreeMap<String, String>,
}

/// A host image and the probe that runs in it.
pub(crate) struct Place<'a> {
    /// The image.
    pub(crate) image: &'a Image,
    /// The probe, relative to `dist/`.
    pub(crate) probe: String,
    /// Of the probe's content.
    pub(crate) probe_sha256: &'a str,
    /// Whether it runs under the emulator.
    pub(crate) emulated: bool,
}

/// A probe's answer with the time that it took.
#[derive(Debug, Clone)]
pub(crate) struct Probed {
    /// What was seen.
    pub(crate) observed: Observed,
    /// Milliseconds that the probe's process lived.
    pub(crate) millis: f64,
}

#[derive(Serialize)]
struct Request<'a> {
    id: usize,
    file: &'a str,
    truncate_after_judging: bool,
    allow_abort: bool,
    settings: &'a str,
    path: Option<&'a str>,
    headers: &'a BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Answer {
    id: usize,
    millis: f64,
    #[serde(flatten)]
    observed: Observed,
}

/// Loads every subject in `place` that is not remembered as it was expected, which `agrees` tells of the subject of that number; what was
/// seen of all comes in the order of `subjects`. `on_answer` gets the milliseconds of each probe that was run.
///
/// # Errors
/// Those of [`observe`], or what was seen cannot be written down.
pub(super) fn observe_what_is_new(
    engine: &dyn Engine,
    place: &Place<'_>,
    ground: &Ground,
    subjects: &[Subject<'_>],
    agrees: &dyn Fn(usize, &Observed) -> bool,
    bar: &indicatif::ProgressBar,
    on_answer: &dyn Fn(f64),
) -> Result<Vec<Observed>> {
    let mut memory = Memory::<Observed>::recall(&ground.cache, &place.key(engine));
    // What was expected once may be so no longer: then it is a surprise, too.
    let recall = |(at, subject): (usize, &Subject<'_>)| {
        memory.of(&subject.key()).filter(|observed| agrees(at, observed)).cloned()
    };
    let mut seen: Vec<Option<Observed>> = subjects.iter().enumerate().map(recall).collect();
    let fresh: Vec<usize> = (0..subjects.len()).filter(|&at| seen[at].is_none()).collect();
    bar.inc((subjects.len() - fresh.len()) as u64);
    if !fresh.is_empty() {
        let asked: Vec<Subject<'_>> = fresh.iter().map(|&at| subjects[at].clone()).collect();
        let answers = observe(engine, place, &ground.repository.join("dist"), &asked, &|| bar.inc(1))?;
        for (&at, Probed { observed, millis }) in fresh.iter().zip(answers) {
            on_answer(millis);
            if agrees(at, &observed) {
                memory.keep(subjects[at].key(), &observed);
            }
            seen[at] = Some(observed);
        }
        memory.save()?;
    }
    Ok(seen.into_iter().flatten().collect())
}

/// Loads every subject in `place`; answers come in the order of `subjects`.
///
/// # Errors
/// The probe itself cannot be run, or leaves a subject unanswered. A plugin that crashes or hangs is an answer.
pub(crate) fn observe(
    engine: &dyn Engine,
    place: &Place<'_>,
    dist: &Path,
    subjects: &[Subject<'_>],
    on_answer: &(dyn Fn() + Sync),
) -> Result<Vec<Probed>> {
    let files: Vec<String> = subjects.iter().map(|subject| format!("{DIST}/{}", subject.file)).collect();
    let mut requests = Vec::new();
    for (id, subject) in subjects.iter().enumerate() {
        let request = Request {
            id,
            file: &files[id],
            truncate_after_judging: subject.truncate_after_judging,
            allow_abort: subject.allow_abort,
            settings: &subject.settings,
            path: subject.path,
            headers: subject.headers,
        };
        serde_json::to_writer(&mut requests, &request)?;
        requests.push(b'\n');
    }
    let answers: Mutex<BTreeMap<usize, Probed>> = Mutex::default();
    let garbled: Mutex<Option<String>> = Mutex::default();
    let take_line = |line: &str| match serde_json::from_str::<Answer>(line) {
        Ok(Answer { id, millis, mut observed }) => {
            observed.message = observed.message.map(|message| without_numbers(&without_thread(&message)));
            if let Ok(mut answers) = answers.lock() {
                answers.insert(id, Probed { observed, millis });
            }
            on_answer();
        }
        Err(error) => {
            if let Ok(mut garbled) = garbled.lock() {
                garbled.get_or_insert_with(|| format!("{line:?}: {error}"));
            }
        }
    };
    let argv: Vec<String> = vec![
        format!("{DIST}/{}", place.probe),
        "observe-all".to_owned(),
        "--cpu-seconds".to_owned(),
        CPU_SECONDS.to_string(),
        "--wall-seconds".to_owned(),
        WALL_SECONDS.to_string(),
    ];
    let deadline = START_SECONDS + subjects.len() as u64 * u64::from(WALL_SECONDS);
    let finished = engine.run(&Job {
        image: place.image,
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("LC_ALL".to_owned(), "C".into())],
        cwd: "/".to_owned(),
        mounts: vec![Mount::read_only(dist, DIST)],
        stdin: requests,
        deadline: Duration::from_secs(deadline),
        on_stdout_line: Some(&take_line),
    })?;
    if let Some(line) = garbled.into_inner().unwrap_or_else(|poison| poison.into_inner()) {
        bail!("the probe in {} printed what is no answer: {line}", place.image.name);
    }
    let mut answers = answers.into_inner().unwrap_or_else(|poison| poison.into_inner());
    (0..subjects.len())
        .map(|id| answers.remove(&id))
        .collect::<Option<Vec<Probed>>>()
        .filter(|_| matches!(finished.exit, Exit::Code(0)))
        .with_context(|| {
            format!(
                "`{}` in image {} ended with {} before it had answered everything:\n{}",
                argv.join(" "),
                place.image.name,
                finished.exit,
                crate::process::tail(b"", &finished.stderr)
            )
        })
}

/// Loader messages name the file descriptor that the bytes were loaded from; its number says nothing.
fn without_numbers(message: &str) -> String {
    const FD: &str = "/proc/self/fd/";
    let mut cleaned = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(FD) {
        cleaned.push_str(&rest[..at]);
        cleaned.push_str("PLUGIN");
        rest = rest[at + FD.len()..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    cleaned.push_str(rest);
    cleaned
}

/// From 1.89 on rustc's panics name the thread's number, which says nothing either: `thread 'main' (7) panicked at`.
fn without_thread(message: &str) -> String {
    const PANICKED: &str = ") panicked at";
    let number = message.find(PANICKED).and_then(|end| {
        let start = message[..end].rfind("' (")?;
        let digits = &message[start + 3..end];
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some((start + 1, end + 1))
    });
    match number {
        Some((start, end)) => format!("{}{}", &message[..start], &message[end..]),
        None => message.to_owned(),
    }
}

impl Place<'_> {
    /// All that observations there have in common; the key of what is remembered of them.
    pub(crate) fn key(&self, engine: &dyn Engine) -> String {
        format!(
            "{}\n{}\n{}\n{}\n{CPU_SECONDS} {WALL_SECONDS}",
            engine.name(),
            self.image.digest,
            self.probe_sha256,
            self.emulated
        )
    }
}

impl Subject<'_> {
    /// The key of what is remembered of it.
    pub(crate) fn key(&self) -> String {
        let mut key = self.sha256.to_owned();
        if self.truncate_after_judging {
            key.push_str("+truncate");
        }
        if self.allow_abort {
            key.push_str("+allow-abort");
        }
        if !self.settings.is_empty() {
            key.push_str(&format!("+settings {}", self.settings));
        }
        if let Some(path) = self.path {
            key.push_str(&format!("+path {path}"));
        }
        for (name, value) in self.headers {
            key.push_str(&format!("+header {name}: {value}"));
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_numbers_are_taken_out_of_messages() {
        let cases = [
            ("/proc/self/fd/3: undefined symbol: f", "PLUGIN: undefined symbol: f"),
            (
                "Error loading shared library libc.so.6 (needed by /proc/self/fd/12)",
                "Error loading shared library libc.so.6 (needed by PLUGIN)",
            ),
            ("nothing", "nothing"),
        ];
        for (message, cleaned) in cases {
            assert_eq!(without_numbers(message), cleaned);
        }
    }

    #[test]
    fn numbers_of_threads_are_taken_out_of_messages() {
        let cases = [
            (
                "thread '<unnamed>' (71) panicked at lib.rs:1:2:\nno",
                "thread '<unnamed>' panicked at lib.rs:1:2:\nno",
            ),
            ("thread 'main' panicked at 'no', lib.rs:1:2", "thread 'main' panicked at 'no', lib.rs:1:2"),
            ("it said 'x' (y) panicked at", "it said 'x' (y) panicked at"),
        ];
        for (message, cleaned) in cases {
            assert_eq!(without_thread(message), cleaned);
        }
    }

    #[test]
    fn answers_of_the_probe_are_read() {
        let line = r#"{"id":3,"outcome":"crashed","stage":null,"code":null,"message":null,"signal":6,"millis":12,"judged":{"loadable":true,"reasons":[]}}"#;
        let answer: Answer = serde_json::from_str(line).unwrap();
        assert_eq!((answer.id, answer.observed.outcome), (3, crate::lab::Outcome::Crashed));
    }
}
