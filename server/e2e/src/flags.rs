//! The command line. By hand, because the program is started under emulation, too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Starts a server, drives it over loopback, stops it, and says what happened as JSON.

server-e2e --server PROGRAM [--plugin FOLDER=FILE]... [--beside FOLDER=FILE]...
           [--patience-seconds N]
    Start PROGRAM with --port 0. With plugins, each FILE is copied into FOLDER
    (handlers or middlewares) of a plugin root that only this user can write,
    and PROGRAM is given that with --plugin-root; without, it has to have the
    handler of /ip in itself. Wait until it listens, see in its log that each
    plugin came from its file, send requests, end it with SIGTERM. Of what lies
    beside the plugins it is only told what the server does with it.
    One JSON object on one line: outcome (works, refused, declined, failed,
    crashed, hung), stage, code, message, signal; and beside, an object with
    \"loaded\" or the server's code for each file name.

    --patience-seconds   how long each step may take; default 20

Status 0 whatever the server does; 2 if this program itself cannot work.
";

const PATIENCE: Duration = Duration::from_secs(20);

/// What to do.
#[derive(Debug)]
pub(crate) enum Verb {
    Help,
    Drive(Scenario),
}

/// A server and what it is given.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) server: PathBuf,
    /// Without one of them it does not work.
    pub(crate) plugins: Vec<PluginFile>,
    /// Good and bad ones that lie there as well.
    pub(crate) beside: Vec<PluginFile>,
    /// How long each step may take.
    pub(crate) patience: Duration,
}

/// A plugin and the folder of the plugin root it belongs into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PluginFile {
    pub(crate) folder: String,
    pub(crate) file: PathBuf,
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, String> {
    let (mut server, mut plugins, mut beside, mut patience) = (None, Vec::new(), Vec::new(), PATIENCE);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().ok_or_else(|| format!("{} needs a value", argument.to_string_lossy()));
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Verb::Help),
            Some("--server") => server = Some(PathBuf::from(value()?)),
            Some("--plugin") => plugins.push(plugin("--plugin", &value()?)?),
            Some("--beside") => beside.push(plugin("--beside", &value()?)?),
            Some("--patience-seconds") => patience = seconds(&value()?)?,
            _ => return Err(format!("unknown argument `{}`", argument.to_string_lossy())),
        }
    }
    let server = server.ok_or("--server is missing")?;
    Ok(Verb::Drive(Scenario { server, plugins, beside, patience }))
}

fn plugin(flag: &str, text: &OsString) -> Result<PluginFile, String> {
    text.to_str()
        .and_then(|text| text.split_once('='))
        .filter(|(folder, _)| matches!(*folder, "handlers" | "middlewares"))
        .map(|(folder, file)| PluginFile { folder: folder.to_owned(), file: file.into() })
        .ok_or_else(|| {
            format!("{flag} takes handlers=FILE or middlewares=FILE, not `{}`", text.to_string_lossy())
        })
}

fn seconds(text: &OsString) -> Result<Duration, String> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| (1..=3600).contains(number))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            format!("--patience-seconds takes a number from 1 to 3600, not `{}`", text.to_string_lossy())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn good_lines_are_understood() {
        let verb = parse(words(
            "--server s --plugin handlers=a.so --plugin middlewares=b=c.so --beside handlers=d.so",
        ))
        .unwrap();
        let Verb::Drive(scenario) = verb else { panic!("{verb:?}") };
        let plugin = |folder: &str, file: &str| PluginFile { folder: folder.into(), file: file.into() };
        assert_eq!(scenario.plugins, [plugin("handlers", "a.so"), plugin("middlewares", "b=c.so")]);
        assert_eq!(scenario.beside, [plugin("handlers", "d.so")]);
        assert_eq!((scenario.server, scenario.patience), ("s".into(), PATIENCE));
        assert!(matches!(parse(words("--server s --help")), Ok(Verb::Help)));
    }

    #[test]
    fn bad_lines_are_named() {
        let cases = [
            ("", "--server is missing"),
            ("--server", "--server needs a value"),
            ("--dance", "unknown argument `--dance`"),
            ("--server s --plugin a.so", "--plugin takes handlers=FILE or middlewares=FILE, not `a.so`"),
            (
                "--server s --plugin ../x=a.so",
                "--plugin takes handlers=FILE or middlewares=FILE, not `../x=a.so`",
            ),
            ("--patience-seconds 0", "--patience-seconds takes a number from 1 to 3600, not `0`"),
        ];
        for (line, complaint) in cases {
            assert_eq!(parse(words(line)).unwrap_err(), complaint, "{line}");
        }
    }
}
