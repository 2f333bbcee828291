//! Looking hosts up through resolver plugins, as the nginx module does.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use plugin_host::{
    Admission, Host, Kind, LoadError, Resolved, ResolverInstance, Settings, Upstream, UpstreamAddress, load,
};
use server_e2e::observation::{Observation, Outcome, Stage};

/// Between two looks at what has not been published yet.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Why a plugin is refused whose panics nobody could catch.
const ENDS_PROGRAM: &str = "\
    the plugin is built with panic = \"abort\", so a panic in it would end backend-check, as it would end a worker \
    of nginx, and neither allows that; build it with panic = \"unwind\"";

/// A resolver at work.
pub(crate) struct Resolver {
    name: String,
    instance: ResolverInstance,
}

impl Resolver {
    /// Judges and loads `file`, and makes an instance that reads, or asks, what lies in `folder`.
    pub(crate) fn load(host: &Host, file: &Path, folder: &Path) -> Result<Self, Observation> {
        let admission = Admission { kind: Some(Kind::Resolver), ..Admission::default() };
        let plugin = load(host, &admission, file).map_err(|error| {
            let code = Some(error.code().to_owned());
            let refused = Observation::new(Outcome::Refused, Stage::Load, with_own_cure(error).to_string());
            Observation { code, ..refused }
        })?;
        let name = plugin.identity().name.clone();
        let place = match name.as_str() {
            "snapshot" => folder.join(PUBLISHED),
            "socket" => folder.join(RESOLVER_SOCKET),
            other => {
                let message = format!("nobody knows the settings of a resolver {other:?}");
                return Err(Observation::new(Outcome::Failed, Stage::Load, message));
            }
        };
        let config = serde_json::json!({ "path": place }).to_string().into_bytes();
        let settings = Settings { config, ..Settings::default() };
        match ResolverInstance::create(&plugin, host.environment(), &settings) {
            Ok(instance) => Ok(Self { name, instance }),
            Err(error) => Err(Observation::new(Outcome::Failed, Stage::Load, format!("{name}: {error}"))),
        }
    }

    /// Its plugin's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until it finds exactly `upstream` for `host`, or, if that is `None`, says that there is none.
    pub(crate) fn wait_for(
        &self,
        host: &str,
        upstream: Option<&str>,
        patience: Duration,
    ) -> Result<(), Observation> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.look_up(host, deadline);
            let fits = match (&found, upstream) {
                (Ok(Resolved::Upstreams(found)), Some(wanted)) => {
                    found.len() == 1 && written(&found[0]) == wanted
                }
                (Ok(Resolved::NotFound), None) => true,
                _ => false,
            };
            if fits {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let wanted = upstream.unwrap_or("no upstream");
                let found = found.map_or_else(|error| error, |found| format!("{found:?}"));
                let message = format!("{}: {host} should have {wanted}: {found}", self.name);
                return Err(Observation::new(Outcome::Failed, Stage::Request, message));
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// One answer; what has to be waited for is waited for.
    fn look_up(&self, host: &str, deadline: Instant) -> Result<Resolved, String> {
        let (sender, woken) = channel();
        // Nobody listens any more when it comes too late.
        let wake = Box::new(move || sender.send(()).unwrap_or_default());
        let resolve = |wake| self.instance.resolve(host, wake).map_err(|error| error.to_string());
        match resolve(Some(wake))? {
            Resolved::Pending => {
                let left = deadline.saturating_duration_since(Instant::now());
                woken.recv_timeout(left).map_err(|_| "no answer came".to_owned())?;
                // Asked again it knows, or says why it does not.
                resolve(None)
            }
            known => Ok(known),
        }
    }
}

/// The same refusal with the cure that there is here: where a panic would end the host, the judge names a flag of other hosts.
fn with_own_cure(mut error: LoadError) -> LoadError {
    if let LoadError::Refused { reasons, .. } = &mut error {
        for reason in reasons.iter_mut().filter(|reason| reason.code.as_str() == "panic.abort") {
            reason.text = ENDS_PROGRAM.to_owned();
        }
    }
    error
}

/// Below the folder of a daemon: what it publishes, and the socket for resolvers.
pub(crate) const PUBLISHED: &str = "map";
pub(crate) const RESOLVER_SOCKET: &str = "resolver.sock";

/// As it is written in an entry.
fn written(upstream: &Upstream) -> String {
    match upstream.address {
        UpstreamAddress::Ip(address) => address.to_string(),
        UpstreamAddress::Unix => format!("unix:{}", upstream.name),
    }
}
