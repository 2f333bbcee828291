//! The command line of such programs. By hand, because the program is started under emulation, too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

/// The folder of what is given to a server by its path and not by its root.
pub const CACHES: &str = "caches";
/// The folder of what no server has, but the nginx that a daemon publishes for.
pub const RESOLVERS: &str = "resolvers";

const PATIENCE: Duration = Duration::from_secs(20);

/// What to do.
#[derive(Debug)]
pub enum Verb {
    /// Print what the flags are.
    Help,
    /// Start a server and drive it.
    Drive(Box<Scenario>),
}

/// A server and what it is given.
#[derive(Debug)]
pub struct Scenario {
    /// The program.
    pub server: PathBuf,
    /// Without one of them it does not work.
    pub plugins: Vec<PluginFile>,
    /// Good and bad ones that lie there as well.
    pub beside: Vec<PluginFile>,
    /// Its arguments beside those that name files; none if it is not to have those of every server.
    pub arguments: Vec<String>,
    /// Its configuration file.
    pub config: Option<String>,
    /// Fields of every request, each a name and a value.
    pub headers: Vec<(String, String)>,
    /// Paths to ask for, at least one, each with what the answer has to contain.
    pub asks: Vec<(String, String)>,
    /// Whether nothing is refused, so that it is no mistake not to.
    pub answers_everything: bool,
    /// Signals to send, each with what the log has to say then.
    pub then: Vec<Then>,
    /// How long each step may take.
    pub patience: Duration,
    /// How long the server waits for a plugin that is being loaded.
    pub load_timeout: Duration,
}

/// A signal, and what the log has to say of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Then {
    /// What is sent.
    pub signal: Signal,
    /// Its name, without `SIG`.
    pub name: String,
    /// The message of the log.
    pub says: String,
}

/// A plugin and where in the plugin root it is to lie.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginFile {
    /// One of those of a plugin root.
    pub folder: String,
    /// Its name there, if it is not that of the file.
    pub name: Option<String>,
    /// What is copied there.
    pub file: PathBuf,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// What is wrong with them, for people.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, String> {
    let (mut server, mut plugins, mut beside) = (None, Vec::new(), Vec::new());
    let (mut arguments_of_server, mut config, mut headers) = (Vec::new(), None, Vec::new());
    let (mut asks, mut answers_everything, mut then) = (Vec::new(), false, Vec::new());
    let (mut patience, mut load_timeout) = (PATIENCE, None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().ok_or_else(|| format!("{} needs a value", argument.to_string_lossy()));
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Verb::Help),
            Some("--server") => server = Some(PathBuf::from(value()?)),
            Some("--plugin") => plugins.push(plugin("--plugin", &value()?)?),
            Some("--beside") => beside.push(plugin("--beside", &value()?)?),
            Some("--argument") => arguments_of_server.push(text("--argument", value()?)?),
            Some("--config") => config = Some(text("--config", value()?)?),
            Some("--header") => headers.push(pair("--header", ':', value()?)?),
            Some("--ask") => asks.push(pair("--ask", '=', value()?)?),
            Some("--answers-everything") => answers_everything = true,
            Some("--then") => then.push(self::then(pair("--then", '=', value()?)?)?),
            Some("--patience-seconds") => patience = seconds("--patience-seconds", &value()?)?,
            Some("--load-timeout-seconds") => {
                load_timeout = Some(seconds("--load-timeout-seconds", &value()?)?);
            }
            _ => return Err(format!("unknown argument `{}`", argument.to_string_lossy())),
        }
    }
    let server = server.ok_or("--server is missing")?;
    if asks.is_empty() {
        return Err("--ask is missing; a server that is asked nothing shows nothing".to_owned());
    }
    Ok(Verb::Drive(Box::new(Scenario {
        server,
        plugins,
        beside,
        arguments: arguments_of_server,
        config,
        headers,
        asks,
        answers_everything,
        then,
        patience,
        load_timeout: load_timeout.unwrap_or(patience / 2),
    })))
}

fn plugin(flag: &str, text: &OsString) -> Result<PluginFile, String> {
    text.to_str().and_then(placed).ok_or_else(|| {
        format!(
            "{flag} takes handlers=FILE, middlewares=FILE, caches=FILE or resolvers=FILE, a name after the folder or none \
             (handlers/NAME=FILE), not `{}`",
            text.to_string_lossy()
        )
    })
}

fn placed(text: &str) -> Option<PluginFile> {
    let (place, file) = text.split_once('=')?;
    let (folder, name) = match place.split_once('/') {
        Some((folder, name)) => (folder, Some(name)),
        None => (place, None),
    };
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('/');
    let is_place =
        matches!(folder, "handlers" | "middlewares" | CACHES | RESOLVERS) && name.is_none_or(is_name);
    is_place.then(|| PluginFile {
        folder: folder.to_owned(),
        name: name.map(str::to_owned),
        file: file.into(),
    })
}

fn text(flag: &str, value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("{flag} takes a text, not `{}`", value.to_string_lossy()))
}

/// What stands before and after the first `between`.
fn pair(flag: &str, between: char, value: OsString) -> Result<(String, String), String> {
    let value = text(flag, value)?;
    let (name, value) = value
        .split_once(between)
        .ok_or_else(|| format!("{flag} takes two texts with `{between}` between, not `{value}`"))?;
    Ok((name.to_owned(), value.trim_start().to_owned()))
}

fn then((name, says): (String, String)) -> Result<Then, String> {
    let signal = match name.as_str() {
        "HUP" => Signal::HUP,
        "TTIN" => Signal::TTIN,
        "TTOU" => Signal::TTOU,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => return Err(format!("--then takes HUP, TTIN, TTOU, USR1 or USR2 before the `=`, not `{name}`")),
    };
    Ok(Then { signal, name, says })
}

fn seconds(flag: &str, text: &OsString) -> Result<Duration, String> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| (1..=3600).contains(number))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{flag} takes a number from 1 to 3600, not `{}`", text.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn good_lines_are_understood() {
        let drive = |line| match parse(words(line)).unwrap() {
            Verb::Drive(scenario) => scenario,
            Verb::Help => panic!("{line} does not ask for help"),
        };
        let scenario = drive(
            "--server s --ask /=a --plugin handlers=a.so --plugin middlewares=b=c.so --plugin resolvers=f.so --beside handlers/d.so=e.so",
        );
        let plugin = |folder: &str, name: Option<&str>, file: &str| PluginFile {
            folder: folder.into(),
            name: name.map(str::to_owned),
            file: file.into(),
        };
        let [a, b] = [plugin("handlers", None, "a.so"), plugin("middlewares", None, "b=c.so")];
        assert_eq!(scenario.plugins, [a, b, plugin("resolvers", None, "f.so")]);
        assert!(scenario.arguments.is_empty());
        assert_eq!(scenario.beside, [plugin("handlers", Some("d.so"), "e.so")]);
        assert_eq!((scenario.server, scenario.patience), ("s".into(), PATIENCE));
        assert_eq!((scenario.config, scenario.load_timeout), (None, PATIENCE / 2));

        let scenario = drive(
            "--server s --config a=1 --argument -v --header x:y:z --ask /a=b=c --then HUP=ready --load-timeout-seconds 3",
        );
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        assert_eq!(
            (scenario.config.as_deref(), scenario.load_timeout),
            (Some("a=1"), Duration::from_secs(3))
        );
        assert_eq!(scenario.headers, pair("x", "y:z"));
        assert_eq!(scenario.asks, pair("/a", "b=c"));
        assert_eq!((scenario.arguments, scenario.answers_everything), (vec!["-v".to_owned()], false));
        assert!(drive("--server s --ask /=a --answers-everything").answers_everything);
        assert_eq!(
            scenario.then,
            [Then { signal: Signal::HUP, name: "HUP".to_owned(), says: "ready".to_owned() }]
        );
        assert!(matches!(parse(words("--server s --help")), Ok(Verb::Help)));
    }

    #[test]
    fn bad_lines_are_named() {
        const PLACES: &str = "handlers=FILE, middlewares=FILE, caches=FILE or resolvers=FILE, a name after the folder or none (handlers/NAME=FILE)";
        let place = |found: &str| format!("--plugin takes {PLACES}, not `{found}`");
        let cases = [
            ("", "--server is missing".to_owned()),
            ("--server", "--server needs a value".to_owned()),
            ("--dance", "unknown argument `--dance`".to_owned()),
            ("--server s", "--ask is missing; a server that is asked nothing shows nothing".to_owned()),
            (
                "--server s --then KILL=x",
                "--then takes HUP, TTIN, TTOU, USR1 or USR2 before the `=`, not `KILL`".to_owned(),
            ),
            ("--server s --plugin a.so", place("a.so")),
            ("--server s --plugin ../x=a.so", place("../x=a.so")),
            ("--server s --plugin handlers/../x=a.so", place("handlers/../x=a.so")),
            ("--header x", "--header takes two texts with `:` between, not `x`".to_owned()),
            ("--patience-seconds 0", "--patience-seconds takes a number from 1 to 3600, not `0`".to_owned()),
        ];
        for (line, complaint) in cases {
            assert_eq!(parse(words(line)).unwrap_err(), complaint, "{line}");
        }
    }
}
