//! The command line. By hand, because the probe starts many times under emulation.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::child::Limits;
use crate::exercise::Exercise;
use crate::load;
use crate::observe::Subject;
use crate::observe_all;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Loads native plugins in this host, calls each once, and says what happened as JSON.

plugin-probe observe [--truncate-after-judging] [--settings TEXT] [--path PATH]
        [--header NAME:VALUE]... FILE
    Load FILE as it is, without judging it first. One JSON object on one line:
    outcome (works, refused, declined, failed), stage, code, message.
    TEXT is passed to the plugin as its settings; a handler is asked for PATH, or for its route. The
    request has these fields, names in lower case.

plugin-probe observe-all --cpu-seconds N --wall-seconds N [--jobs N] [LIST]
    Observe many plugins, each in a child with these limits. LIST, or standard input, has one JSON
    object in each line: id, file, and optionally truncate_after_judging, allow_abort, settings, path
    and headers.
    One line is written for each as it ends, with the further outcomes crashed and hung, signal, millis, and the verdict of
    the judge in this host: judged.loadable and judged.reasons.

plugin-probe load [--allow-list FILE] [--allow-abort] [--label KEY=VALUE]... [--settings TEXT]
        [--path PATH] [--header NAME:VALUE]... FILE
    Load FILE as a host does: check owner and mode, judge the bytes, load exactly those. With --allow-abort
    also a plugin whose panics end the process.

Status 0 whatever a plugin does; 2 if the probe itself cannot work.
";

/// What to do.
#[derive(Debug)]
pub(crate) enum Verb {
    Help,
    Observe(Subject),
    ObserveAll(observe_all::Options),
    Load(load::Options),
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, String> {
    let mut arguments = arguments.into_iter();
    let verb = arguments.next().ok_or("no command given")?;
    match verb.to_str() {
        Some("help" | "--help" | "-h") => Ok(Verb::Help),
        Some("observe") => observe(arguments),
        Some("observe-all") => observe_all(arguments),
        Some("load") => load(arguments),
        _ => Err(format!("unknown command `{}`", verb.to_string_lossy())),
    }
}

fn observe(mut arguments: impl Iterator<Item = OsString>) -> Result<Verb, String> {
    let mut truncate_after_judging = false;
    let mut exercise = Exercise::default();
    let mut file = None;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--truncate-after-judging") => truncate_after_judging = true,
            Some("--settings") => exercise.settings = text(&argument, arguments.next())?,
            Some("--path") => exercise.path = Some(text(&argument, arguments.next())?),
            Some("--header") => exercise.headers.extend([header(&text(&argument, arguments.next())?)?]),
            _ => set_once(&mut file, argument)?,
        }
    }
    let file = file.ok_or("no file given")?;
    Ok(Verb::Observe(Subject { file, truncate_after_judging, exercise }))
}

fn observe_all(mut arguments: impl Iterator<Item = OsString>) -> Result<Verb, String> {
    let (mut cpu, mut wall, mut jobs, mut list) = (None, None, 1, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--cpu-seconds") => cpu = Some(number(&argument, arguments.next())?),
            Some("--wall-seconds") => wall = Some(number(&argument, arguments.next())?),
            Some("--jobs") => jobs = number(&argument, arguments.next())?,
            _ => set_once(&mut list, argument)?,
        }
    }
    let limits = Limits {
        cpu_seconds: cpu.ok_or("--cpu-seconds is missing")?,
        wall: Duration::from_secs(wall.ok_or("--wall-seconds is missing")?),
    };
    let jobs = usize::try_from(jobs).map_err(|error| error.to_string())?;
    Ok(Verb::ObserveAll(observe_all::Options { limits, jobs, list }))
}

fn load(mut arguments: impl Iterator<Item = OsString>) -> Result<Verb, String> {
    let (mut allow_list, mut allow_abort, mut labels, mut file) = (None, false, Vec::new(), None);
    let mut exercise = Exercise::default();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--allow-list") => set_once(&mut allow_list, value(&argument, arguments.next())?)?,
            Some("--allow-abort") => allow_abort = true,
            Some("--label") => labels.push(label(&value(&argument, arguments.next())?)?),
            Some("--settings") => exercise.settings = text(&argument, arguments.next())?,
            Some("--path") => exercise.path = Some(text(&argument, arguments.next())?),
            Some("--header") => exercise.headers.extend([header(&text(&argument, arguments.next())?)?]),
            _ => set_once(&mut file, argument)?,
        }
    }
    let file = file.ok_or("no file given")?;
    Ok(Verb::Load(load::Options { file, allow_list, labels, allow_abort, exercise }))
}

fn set_once(slot: &mut Option<PathBuf>, argument: OsString) -> Result<(), String> {
    if argument.as_encoded_bytes().starts_with(b"--") {
        return Err(format!("unknown flag `{}`", argument.to_string_lossy()));
    }
    match slot {
        None => {
            *slot = Some(argument.into());
            Ok(())
        }
        Some(_) => Err(format!("one argument too many: `{}`", argument.to_string_lossy())),
    }
}

fn value(flag: &OsStr, value: Option<OsString>) -> Result<OsString, String> {
    value.ok_or_else(|| format!("{} needs a value", flag.to_string_lossy()))
}

fn text(flag: &OsStr, given: Option<OsString>) -> Result<String, String> {
    let given = value(flag, given)?;
    given
        .into_string()
        .map_err(|given| format!("{} takes UTF-8, not `{}`", flag.to_string_lossy(), given.to_string_lossy()))
}

/// Limits and counts: from 1 to a day's worth of seconds.
fn number(flag: &OsStr, text: Option<OsString>) -> Result<u64, String> {
    let text = value(flag, text)?;
    text.to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| (1..=86_400).contains(number))
        .ok_or_else(|| {
            format!(
                "{} takes a number from 1 to 86400, not `{}`",
                flag.to_string_lossy(),
                text.to_string_lossy()
            )
        })
}

fn label(text: &OsStr) -> Result<(String, String), String> {
    text.to_str()
        .and_then(|text| text.split_once('='))
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("--label takes KEY=VALUE, not `{}`", text.to_string_lossy()))
}

fn header(text: &str) -> Result<(String, String), String> {
    text.split_once(':')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .ok_or_else(|| format!("--header takes NAME:VALUE, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn good_lines_are_understood() {
        let verb = parse(words("observe-all --cpu-seconds 2 --wall-seconds 5 --jobs 3 list")).unwrap();
        let Verb::ObserveAll(options) = verb else { panic!("{verb:?}") };
        assert_eq!((options.limits.cpu_seconds, options.jobs), (2, 3));
        assert_eq!(options.limits.wall, Duration::from_secs(5));
        assert_eq!(options.list, Some("list".into()));

        let verb =
            parse(words("observe --truncate-after-judging --settings x=1 --path /a --header X-A:1:2 a.so"))
                .unwrap();
        let Verb::Observe(subject) = verb else { panic!("{verb:?}") };
        assert!(subject.truncate_after_judging);
        let Exercise { settings, path, headers } = subject.exercise;
        assert_eq!((settings.as_str(), path.as_deref()), ("x=1", Some("/a")));
        assert_eq!(headers, [("x-a".to_owned(), "1:2".to_owned())].into());

        let verb = parse(words("load --label a=b --allow-abort --label c= x.so")).unwrap();
        let Verb::Load(options) = verb else { panic!("{verb:?}") };
        assert_eq!(options.labels, [("a".into(), "b".into()), ("c".into(), String::new())]);
        assert!(options.allow_abort);
    }

    #[test]
    fn bad_lines_are_named() {
        let cases = [
            ("", "no command given"),
            ("dance", "unknown command `dance`"),
            ("observe", "no file given"),
            ("observe a b", "one argument too many: `b`"),
            ("observe --fast a", "unknown flag `--fast`"),
            ("observe-all --wall-seconds 5", "--cpu-seconds is missing"),
            ("observe-all --cpu-seconds", "--cpu-seconds needs a value"),
            ("observe-all --cpu-seconds 0", "--cpu-seconds takes a number from 1 to 86400, not `0`"),
            ("load --settings", "--settings needs a value"),
            ("load --header x a", "--header takes NAME:VALUE, not `x`"),
            ("load --label x a", "--label takes KEY=VALUE, not `x`"),
        ];
        for (line, complaint) in cases {
            assert_eq!(parse(words(line)).unwrap_err(), complaint, "{line}");
        }
    }
}
