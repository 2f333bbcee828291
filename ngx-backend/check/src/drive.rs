//! The daemon from its first start to its second end.

use std::io;
use std::path::Path;
use std::process::Command;

use plugin_host::Host;
use serde_json::json;
use server_e2e::flags::Scenario;
use server_e2e::log_line::value;
use server_e2e::observation::{Observation, Outcome, Stage};
use server_e2e::plugin_root::PluginRoot;
use server_e2e::server::Server;

use crate::api;
use crate::lookup::{PUBLISHED, RESOLVER_SOCKET, Resolver};

/// Below the daemon's folder.
const STORE: &str = "map.redb";
const API_SOCKET: &str = "api.sock";

/// Drives the daemon of `scenario`; whatever it does is an observation.
///
/// # Errors
/// If no folder can be made, or nothing can be learned of this host.
pub(crate) fn drive(scenario: &Scenario) -> Result<Observation, String> {
    let root = PluginRoot::with(&scenario.plugins)?;
    let host = Host::of_this_process([].into())
        .map_err(|error| format!("cannot read the facts of this host: {error}"))?;
    Ok(go_through(scenario, &host, &root).unwrap_or_else(|ended_early| ended_early))
}

/// Every stage; an error is the observation of a daemon that did not come through.
fn go_through(scenario: &Scenario, host: &Host, root: &PluginRoot) -> Result<Observation, Observation> {
    let folder = root.path();
    let mut daemon = Daemon::start(scenario, folder)?;
    let load = |file| Resolver::load(host, file, folder);
    let resolvers: Vec<Resolver> = root.files.iter().map(|file| load(file)).collect::<Result<_, _>>()?;
    let expect = |is_there: bool| -> Result<(), Observation> {
        for (host, upstream) in &scenario.asks {
            let wanted = is_there.then_some(upstream.as_str());
            resolvers.iter().try_for_each(|resolver| resolver.wait_for(host, wanted, scenario.patience))?;
        }
        Ok(())
    };

    expect(false)?;
    for (host, upstream) in &scenario.asks {
        let entry = json!({ "host": host, "backend": upstream }).to_string();
        daemon.ask("POST", "/entries.json", &entry, 201)?;
    }
    expect(true)?;
    daemon.server.stop()?;

    // What was acknowledged is on disk, and resolvers that were there before see the daemon that comes after.
    let mut daemon = Daemon::start(scenario, folder)?;
    expect(true)?;
    for (host, _) in &scenario.asks {
        daemon.ask("DELETE", &format!("/entries/{host}.json"), "", 204)?;
    }
    expect(false)?;
    daemon.server.stop()?;

    let entries: Vec<String> =
        scenario.asks.iter().map(|(host, upstream)| format!("{host} is {upstream}")).collect();
    let names: Vec<&str> = resolvers.iter().map(Resolver::name).collect();
    let message =
        format!("{} to {}, also after a restart, until deleted", entries.join(", "), names.join(" and "));
    Ok(Observation::new(Outcome::Works, Stage::Stop, message))
}

/// A daemon that serves its API.
struct Daemon<'a> {
    server: Server,
    scenario: &'a Scenario,
    folder: &'a Path,
}

impl<'a> Daemon<'a> {
    /// Starts it with all that it has in `folder`, and waits until it serves.
    fn start(scenario: &'a Scenario, folder: &'a Path) -> Result<Self, Observation> {
        let mut command = Command::new(&scenario.server);
        command.env_clear();
        for (flag, name) in [
            ("--store", STORE),
            ("--publish", PUBLISHED),
            ("--socket", API_SOCKET),
            ("--resolver-socket", RESOLVER_SOCKET),
        ] {
            command.arg(flag).arg(folder.join(name));
        }
        command.args(&scenario.arguments);
        let mut server = Server::start(&mut command, scenario.patience).map_err(|error| {
            let message = format!("cannot start {}: {error}", scenario.server.display());
            Observation::new(Outcome::Failed, Stage::Start, message)
        })?;
        server
            .wait_for_line(|line| value(line, "msg") == Some("the API is served"))
            .map_err(|why| server.silent(why, Stage::Listen, "it does not say that it serves its API"))?;
        Ok(Self { server, scenario, folder })
    }

    /// Sends a request, which has to be answered with `status`.
    fn ask(&mut self, method: &str, path: &str, body: &str, status: u16) -> Result<(), Observation> {
        let observed = |outcome, message| Observation::new(outcome, Stage::Request, message);
        let socket = self.folder.join(API_SOCKET);
        match api::send(&socket, method, path, body, self.scenario.patience) {
            Ok((answered, _)) if answered == status => Ok(()),
            Ok((answered, text)) => Err(observed(
                Outcome::Failed,
                format!("{method} {path} {body}: status {answered}, should be {status}: {text}"),
            )),
            Err(error) => {
                let message = format!("{method} {path} {body}: {error}");
                let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                Err(if is_late { observed(Outcome::Hung, message) } else { self.server.broken(message) })
            }
        }
    }
}
