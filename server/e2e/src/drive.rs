//! One scenario from start to stop.

mod requests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::blocking::Client;

use server_e2e::flags::{CACHES, Scenario, Then};
use server_e2e::log_line::value;
use server_e2e::observation::{Observation, Outcome, Stage};
use server_e2e::plugin_root::PluginRoot;
use server_e2e::server::Server;

/// For a server that was given none.
const USUAL_ARGUMENTS: [&str; 2] = ["--port", "0"];

/// The server's code for a plugin that says no by itself.
const DECLINED: &str = "accept.declined";

/// Drives the server of `scenario`; whatever it does is an observation.
///
/// # Errors
/// If no plugin root can be made, or no client.
pub(crate) fn drive(scenario: &Scenario) -> Result<Observation, String> {
    let root = PluginRoot::with(scenario.plugins.iter().chain(&scenario.beside))?;
    // One for the start and one for each signal, which may close the connections that there are.
    let client = || requests::client(scenario.patience, &scenario.headers);
    let clients = (client()?, scenario.then.iter().map(|_| client()).collect::<Result<Vec<_>, _>>()?);
    let mut command = Command::new(&scenario.server);
    if scenario.arguments.is_empty() {
        command.args(USUAL_ARGUMENTS);
    }
    command.args(&scenario.arguments);
    let (caches, others): (Vec<_>, Vec<_>) = root.files.iter().partition(|file| is_cache(file));
    for cache in caches {
        command.arg("--cache-plugin-path").arg(cache);
    }
    if !others.is_empty() {
        command.arg("--plugin-root").arg(root.path());
    }
    if let Some(config) = &scenario.config {
        command.arg("--config").arg(root.configure(config)?);
    }
    // Nothing else tells it what to do; its socket for operators is not to lie in a folder of this machine, and a busy one may need
    // longer to load a plugin than anybody should have to wait elsewhere.
    command.env_clear().env("SERVER_ADMIN", "off");
    command.env("SERVER_LOAD_TIMEOUT", format!("{}ms", scenario.load_timeout.as_millis()));
    let mut server = match Server::start(&mut command, scenario.patience) {
        Ok(server) => server,
        Err(error) => {
            let message = format!("cannot start {}: {error}", scenario.server.display());
            return Ok(Observation::new(Outcome::Failed, Stage::Start, message));
        }
    };
    Ok(go_through(&mut server, scenario, &root.files, &clients).unwrap_or_else(|ended_early| ended_early))
}

/// Every stage; an error is the observation of a server that did not come through.
fn go_through(
    server: &mut Server,
    scenario: &Scenario,
    files: &[PathBuf],
    (client, clients_after): &(Client, Vec<Client>),
) -> Result<Observation, Observation> {
    let address = listening(server)?;
    let (plugins, beside) = files.split_at(scenario.plugins.len());
    for plugin in plugins {
        if let Said::Refused(refused) = said_of(server, plugin)? {
            return Err(refused);
        }
    }
    let mut seen = BTreeMap::new();
    for file in beside {
        said_of(server, file)?;
        let did = became(server, file);
        seen.insert(file.file_name().unwrap_or_default().to_string_lossy().into_owned(), did);
    }
    let ask_all = |server: &mut Server, client| {
        requests::check_all(client, address, scenario).map_err(|wrong| broken(server, wrong))
    };
    let answer = ask_all(server, client)?;
    for (Then { signal, name, says }, client) in scenario.then.iter().zip(clients_after) {
        server.signal(*signal);
        server.wait_for_new_line(|line| value(line, "msg") == Some(says)).map_err(|why| {
            server.silent(why, Stage::Signal, &format!("it does not say {says} after SIG{name}"))
        })?;
        ask_all(server, client)?;
    }
    server.stop()?;
    Ok(Observation { beside: seen, ..Observation::new(Outcome::Works, Stage::Stop, answer) })
}

/// Whether `file` lies in the folder of caches.
fn is_cache(file: &Path) -> bool {
    file.parent().and_then(Path::file_name).is_some_and(|folder| folder == CACHES)
}

/// Waits until it listens, and gives the address.
fn listening(server: &mut Server) -> Result<SocketAddr, Observation> {
    let line = server
        .wait_for_line(|line| value(line, "msg") == Some("listening"))
        .map_err(|why| server.silent(why, Stage::Listen, "it does not say that it listens"))?;
    value(&line, "address").and_then(|address| address.parse().ok()).ok_or_else(|| {
        Observation::new(Outcome::Failed, Stage::Listen, "it does not say on which address it listens")
    })
}

/// What the server says of a plugin.
enum Said {
    Loaded,
    Refused(Observation),
}

/// Whether `line` says that `plugin` was loaded from that file, or that it was not.
fn is_about(line: &str, plugin: &Path) -> bool {
    let names_it = value(line, "path").is_some_and(|path| Path::new(path) == plugin);
    names_it && (is_loaded(line) || value(line, "msg") == Some("plugin refused"))
}

/// Whether `line` says that something was loaded, a handler or middleware or a cache.
fn is_loaded(line: &str) -> bool {
    matches!(value(line, "msg"), Some("loaded" | "cache plugin loaded"))
}

/// What it says last of `plugin`, which may be loaded and then not used after all, its route being another's: `loaded`, or
/// the code.
fn became(server: &mut Server, plugin: &Path) -> String {
    let line = server.last_line(|line| is_about(line, plugin)).unwrap_or_default();
    let loaded = is_loaded(line);
    let word = if loaded { Some("loaded") } else { value(line, "code") };
    word.unwrap_or_default().to_owned()
}

/// Waits until it says what it does with `plugin`.
fn said_of(server: &mut Server, plugin: &Path) -> Result<Said, Observation> {
    let line = server.wait_for_line(|line| is_about(line, plugin)).map_err(|why| {
        let name = plugin.file_name().unwrap_or_default().to_string_lossy();
        server.silent(why, Stage::Load, &format!("it says nothing of {name}"))
    })?;
    if is_loaded(&line) {
        return Ok(Said::Loaded);
    }
    let reason = value(&line, "reason").unwrap_or("it does not say why");
    let code = value(&line, "code");
    let outcome = if code == Some(DECLINED) { Outcome::Declined } else { Outcome::Refused };
    let refused = Observation::new(outcome, Stage::Load, reason);
    Ok(Said::Refused(Observation { code: code.map(str::to_owned), ..refused }))
}

/// What a wrong answer means.
fn broken(server: &mut Server, wrong: requests::Wrong) -> Observation {
    match wrong {
        requests::Wrong::Answer(message) => Observation::new(Outcome::Failed, Stage::Request, message),
        requests::Wrong::Late(message) => Observation::new(Outcome::Hung, Stage::Request, message),
        requests::Wrong::Connection(message) => server.broken(message),
    }
}
