//! What the operator asked for, in variables.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backend_map::Host;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The hosts of the API.
    pub(crate) api_hosts: Vec<String>,
    /// Where nginx listens.
    pub(crate) listen: Vec<Listen>,
    /// What open requests get after SIGTERM.
    pub(crate) shutdown_deadline: Duration,
    /// Whether the API has a token.
    pub(crate) has_token: bool,
}

/// An address as nginx's `listen` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// On all addresses of IPv4.
    Port(u16),
    At(SocketAddr),
    Unix(String),
}

/// Less than docker's ten seconds, after which it kills.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(8);
const LONGEST_DEADLINE: u64 = 24 * 60 * 60;

impl Settings {
    /// Reads the variables through `variable`; one that is empty is one that is not set.
    ///
    /// # Errors
    /// One sentence on what is missing or wrong, and what to write.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
        let text = |name: &str| -> Result<Option<String>> {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
            let value = value.into_string();
            value.map(Some).map_err(|value| anyhow::anyhow!("{name} is {value:?}, which is no text"))
        };
        let domain = text("DOMAIN")?.context(
            "DOMAIN is not set; name the domain whose host api.DOMAIN is to be the API's, as in `docker run -e DOMAIN=example.com …`",
        )?;
        let api_hosts = domain.split(',').map(|one| api_host(one.trim())).collect::<Result<_>>()?;
        let listen = text("LISTEN")?.unwrap_or_else(|| "80".to_owned());
        let listen = listen.split(',').map(|one| parse_listen(one.trim())).collect::<Result<_>>()?;
        let shutdown_deadline = match text("SHUTDOWN_DEADLINE")? {
            None => SHUTDOWN_DEADLINE,
            Some(seconds) => match seconds.trim_end_matches('s').parse() {
                Ok(seconds) if seconds <= LONGEST_DEADLINE => Duration::from_secs(seconds),
                _ => bail!(
                    "SHUTDOWN_DEADLINE is {seconds:?}; write a number of seconds, at most {LONGEST_DEADLINE}"
                ),
            },
        };
        let has_token = text("BACKEND_TOKEN")?.is_some() || text("BACKEND_TOKEN_FILE")?.is_some();
        Ok(Settings { api_hosts, listen, shutdown_deadline, has_token })
    }
}

fn api_host(domain: &str) -> Result<String> {
    let wrong = |why: &str| anyhow::anyhow!("DOMAIN is {domain:?}: {why}; write a name such as example.com");
    if domain.contains([':', '/']) {
        return Err(wrong("there is more in it than a name"));
    }
    let host = Host::parse(domain.as_bytes()).map_err(|error| wrong(&error.to_string()))?;
    if host.is_address() {
        return Err(wrong("an address has no names below it"));
    }
    let api = format!("api.{}", host.as_str());
    match Host::parse(api.as_bytes()) {
        Ok(api) => Ok(api.as_str().to_owned()),
        Err(error) => Err(wrong(&format!("with api. before it, {error}"))),
    }
}

fn parse_listen(text: &str) -> Result<Listen> {
    let in_a_path = |one: char| one.is_ascii_alphanumeric() || "/._-".contains(one);
    if let Some(path) = text.strip_prefix("unix:")
        && path.starts_with('/')
        && path.chars().all(in_a_path)
    {
        return Ok(Listen::Unix(path.to_owned()));
    }
    if let Ok(port @ 1..) = text.parse() {
        return Ok(Listen::Port(port));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(Listen::At(address)),
        _ => bail!(
            "LISTEN is {text:?}; write PORT, IP:PORT, [IPV6]:PORT or unix:/PATH, with commas between several"
        ),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Port(port) => write!(f, "{port}"),
            Listen::At(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Settings::read(find).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_domain_is_all_that_is_needed() {
        let settings = read(&[("DOMAIN", "Example.COM.")]).unwrap();
        assert_eq!(settings.api_hosts, ["api.example.com"]);
        assert_eq!(settings.listen, [Listen::Port(80)]);
        assert_eq!((settings.shutdown_deadline, settings.has_token), (Duration::from_secs(8), false));
        let several = read(&[
            ("DOMAIN", "a.test, b.test"),
            ("LISTEN", "8080,127.0.0.1:81,[::]:80,unix:/run/nginx/http.sock"),
            ("SHUTDOWN_DEADLINE", "20s"),
            ("BACKEND_TOKEN_FILE", "/run/secrets/token"),
        ])
        .unwrap();
        assert_eq!(several.api_hosts, ["api.a.test", "api.b.test"]);
        let listen: Vec<String> = several.listen.iter().map(Listen::to_string).collect();
        assert_eq!(listen, ["8080", "127.0.0.1:81", "[::]:80", "unix:/run/nginx/http.sock"]);
        assert_eq!((several.shutdown_deadline, several.has_token), (Duration::from_secs(20), true));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        let long = format!("{}.test", ["a"; 124].join("."));
        for (variables, part) in [
            (&[][..], "DOMAIN is not set; name the domain"),
            (&[("DOMAIN", "")], "DOMAIN is not set"),
            (
                &[("DOMAIN", "https://example.com")],
                "more in it than a name; write a name such as example.com",
            ),
            (&[("DOMAIN", "example.com:80")], "more in it than a name"),
            (&[("DOMAIN", "*.example.com")], "star in the wrong place"),
            (&[("DOMAIN", "192.0.2.1")], "an address has no names below it"),
            (&[("DOMAIN", "a b")], "it has the character ' '"),
            (&[("DOMAIN", "a;}")], "it has the character ';'"),
            (&[("DOMAIN", "a.test,")], "it is empty"),
            (&[("DOMAIN", &long)], "with api. before it, it has 256 characters"),
            (&[("DOMAIN", "a"), ("LISTEN", "http")], "LISTEN is \"http\"; write PORT"),
            (&[("DOMAIN", "a"), ("LISTEN", "0")], "LISTEN is \"0\""),
            (&[("DOMAIN", "a"), ("LISTEN", "unix:/a;b")], "LISTEN is"),
            (&[("DOMAIN", "a"), ("SHUTDOWN_DEADLINE", "soon")], "SHUTDOWN_DEADLINE is \"soon\""),
        ] {
            let sentence = read(variables).unwrap_err();
            assert!(sentence.contains(part) && !sentence.contains('\n'), "{variables:?}: {sentence}");
        }
    }
}
