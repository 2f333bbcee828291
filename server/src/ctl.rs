//! `dyn-serverctl`: what an operator types to see and change the plugins of a running server.

mod client;
mod flags;
mod latency;
mod show;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use http_front::admin::ErrorAnswer;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use self::client::{Answer, Client};
use self::flags::{Action, CommandLine};
use crate::admin::{ChangeAnswer, HealthAnswer, PluginsAnswer, RefusedAnswer, ReloadAnswer};
use crate::plugins::Family;

/// Why a command did not do what it says.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The server said no. Status 1.
    Refused(String),
    /// There is no server to ask, or not enough was said to ask it. Status 2, as for wrong flags.
    NotAsked(String),
}

/// Runs the program; gives its exit status: 0 if all is well, 1 if the server refuses or is not healthy, 2 if it cannot be
/// asked or the flags are wrong.
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    match clients(&line) {
        Ok(clients) => ExitCode::from(carry_out(&line, &clients)),
        Err(failure) => ExitCode::from(tell(&failure, None)),
    }
}

fn clients(line: &CommandLine) -> Result<Vec<Client>, Failure> {
    let clients = Client::all(&line.server)?;
    if clients.len() > 1 && matches!(line.action, Action::Metrics) {
        return Err(Failure::NotAsked(
            "each worker has metrics of its own; say which with --worker".to_owned(),
        ));
    }
    Ok(clients)
}

/// Says what went wrong, and gives the status for it.
fn tell(failure: &Failure, worker: Option<usize>) -> u8 {
    let (sentence, status) = match failure {
        Failure::Refused(sentence) => (sentence, 1),
        Failure::NotAsked(sentence) => (sentence, 2),
    };
    let whose = worker.map(|slot| format!("worker {slot}: ")).unwrap_or_default();
    eprintln!("dyn-serverctl: {whose}{}", show::printable(sentence));
    status
}

/// Gives the worst status. Of several workers each does what it is told, whatever becomes of the others.
fn carry_out(line: &CommandLine, clients: &[Client]) -> u8 {
    let several = clients.len() > 1;
    let statuses = clients.iter().map(|client| {
        let worker = client.worker.filter(|_| several);
        if let Some(slot) = worker.filter(|_| !line.json) {
            print(&format!("worker {slot}:\n"));
        }
        match carry_out_at(line, client) {
            Ok(is_well) => u8::from(!is_well),
            Err(failure) => tell(&failure, worker),
        }
    });
    statuses.max().unwrap_or(0)
}

/// Says whether all is well.
fn carry_out_at(line: &CommandLine, client: &Client) -> Result<bool, Failure> {
    match &line.action {
        Action::Plugins => {
            let answer = client.ask(Method::GET, "/plugins")?;
            show(line, &answer, |plugins: &PluginsAnswer| show::plugins(plugins))?;
        }
        Action::Refused => {
            let answer = client.ask(Method::GET, "/refused")?;
            show(line, &answer, |refused: &RefusedAnswer| show::refused(refused))?;
        }
        Action::Metrics => print(&refuse(client.ask(Method::GET, "/metrics")?)?.body),
        Action::Health => {
            let answer = client.ask(Method::GET, "/health")?;
            let health: HealthAnswer = read(&answer)?;
            print(&if line.json { answer.body } else { show::health(&health) });
            return Ok(health.healthy);
        }
        Action::Reload => {
            let answer = client.ask(Method::POST, "/reload")?;
            show(line, &answer, |reload: &ReloadAnswer| show::reload(reload))?;
        }
        Action::Rollback { plugin } => change(line, client, &plugin.name, plugin.kind, "rollback", None)?,
        Action::Quarantine { plugin, version } => {
            change(line, client, &plugin.name, plugin.kind, "quarantine", version.as_deref())?;
        }
        Action::Release { plugin, version } => {
            change(line, client, &plugin.name, plugin.kind, "release", Some(version))?;
        }
    }
    Ok(true)
}

fn change(
    line: &CommandLine,
    client: &Client,
    name: &str,
    kind: Option<Family>,
    verb: &str,
    version: Option<&str>,
) -> Result<(), Failure> {
    let kind = match kind {
        Some(kind) => kind,
        None => kind_of(name, &read(&refuse(client.ask(Method::GET, "/plugins")?)?)?)?,
    };
    let target = target(kind, name, verb, version);
    let answer = client.ask(Method::POST, &target)?;
    show(line, &answer, |changed: &ChangeAnswer| format!("{name} {} is active\n", changed.active))
}

/// The kind of the only plugin of this name.
fn kind_of(name: &str, answer: &PluginsAnswer) -> Result<Family, Failure> {
    let kinds: Vec<Family> =
        answer.plugins.iter().filter(|plugin| plugin.name == name).map(|plugin| plugin.kind).collect();
    match kinds[..] {
        [kind] => Ok(kind),
        [] => {
            let names: Vec<&str> = answer.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(Failure::Refused(format!("there is no plugin {name}; loaded are: {names}")))
        }
        _ => Err(Failure::NotAsked(format!(
            "{name} is a handler and a middleware; say which with --kind handler or --kind middleware"
        ))),
    }
}

/// What names and versions are made of needs no encoding; anything else does, so that it stays one segment or value.
fn target(kind: Family, name: &str, verb: &str, version: Option<&str>) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ODD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'+');
    let name = utf8_percent_encode(name, ODD);
    match version {
        Some(version) => {
            format!("/plugins/{kind}/{name}/{verb}?version={}", utf8_percent_encode(version, ODD))
        }
        None => format!("/plugins/{kind}/{name}/{verb}"),
    }
}

/// Prints an answer, for programs as it is, for people as `render` says.
fn show<T: DeserializeOwned>(
    line: &CommandLine,
    answer: &Answer,
    render: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if answer.status != StatusCode::OK {
        return Err(refused(answer));
    }
    let text = if line.json { answer.body.clone() } else { render(&read(answer)?) };
    print(&text);
    Ok(())
}

fn refuse(answer: Answer) -> Result<Answer, Failure> {
    if answer.status == StatusCode::OK { Ok(answer) } else { Err(refused(&answer)) }
}

/// The server's sentence.
fn refused(answer: &Answer) -> Failure {
    match serde_json::from_str::<ErrorAnswer>(&answer.body) {
        Ok(answer) => Failure::Refused(answer.error),
        Err(_) => strange(answer),
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_str(&answer.body).map_err(|_| strange(answer))
}

fn strange(answer: &Answer) -> Failure {
    Failure::NotAsked(format!(
        "{} answered {} and nothing that this program understands; is that a dyn-server of the same version?",
        answer.from, answer.status
    ))
}

/// To standard output. Whoever reads it may go away in the middle, as `head` does.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::tests::plugin;
    use crate::plugins::PluginState;

    #[test]
    fn a_name_has_to_be_one_plugins() {
        let twice = PluginState { kind: Family::Middleware, ..plugin("twice", vec![]) };
        let answer = PluginsAnswer {
            plugins: vec![plugin("once", vec![]), plugin("twice", vec![]), twice],
            missing_middlewares: vec![],
        };
        assert_eq!(kind_of("once", &answer), Ok(Family::Handler));
        let Err(Failure::Refused(sentence)) = kind_of("none", &answer) else { panic!() };
        assert!(sentence.ends_with("loaded are: once, twice, twice"), "{sentence}");
        let Err(Failure::NotAsked(sentence)) = kind_of("twice", &answer) else { panic!() };
        assert!(sentence.contains("--kind handler"), "{sentence}");
    }

    #[test]
    fn odd_names_stay_in_their_place() {
        let cases = [
            ("ip", Some("1.0.0+a"), "/plugins/handler/ip/release?version=1.0.0+a"),
            ("a/b?c", None, "/plugins/handler/a%2Fb%3Fc/release"),
            ("a", Some("1&version=2"), "/plugins/handler/a/release?version=1%26version%3D2"),
        ];
        for (name, version, expected) in cases {
            assert_eq!(target(Family::Handler, name, "release", version), expected);
        }
    }
}
