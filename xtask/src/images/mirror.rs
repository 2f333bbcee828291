//! Where packages come from. No address is written in this repository: it is given, or the machine's apt knows one.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

const CURE: &str = "give a Debian mirror with --mirror URL or DYNLAB_MIRROR=URL";

/// The mirror's address without a slash at its end: the one given, else the first Debian one of apt's configuration.
pub(crate) fn address(given: Option<&str>) -> Result<String> {
    if let Some(given) = given {
        if !given.starts_with("http://") && !given.starts_with("https://") {
            bail!("mirror {given:?} must start with http:// or https://; {CURE}");
        }
        return Ok(given.trim_end_matches('/').to_owned());
    }
    let found = apt_sources(Path::new("/etc/apt"));
    match found.iter().find(|address| is_debian_archive(address)) {
        Some(address) => Ok(address.clone()),
        None if found.is_empty() => {
            bail!("this machine has no apt configuration that names a mirror; {CURE}")
        }
        None => bail!("none of the archives in this machine's apt configuration is a Debian mirror; {CURE}"),
    }
}

/// The proxy that apt is configured to use for http, if any. The environment's `http_proxy` goes before it.
pub(super) fn apt_proxy() -> Option<String> {
    let output = Command::new("apt-config").args(["dump", "Acquire::http::Proxy"]).output().ok()?;
    parse_apt_proxy(&String::from_utf8_lossy(&output.stdout))
}

fn parse_apt_proxy(dump: &str) -> Option<String> {
    let line = dump.lines().find(|line| line.starts_with("Acquire::http::Proxy "))?;
    let value = line.split('"').nth(1)?.trim();
    (!value.is_empty() && value != "DIRECT").then(|| value.to_owned())
}

/// Whether packages of Debian's main archive lie there, as far as the address tells.
fn is_debian_archive(address: &str) -> bool {
    let path = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let mut parts = path.split('/');
    parts.any(|part| part == "debian") || path.starts_with("archive/debian/")
}

fn apt_sources(folder: &Path) -> Vec<String> {
    let mut files = vec![folder.join("sources.list")];
    let parts = fs::read_dir(folder.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = parts.map(|entry| entry.path()).collect();
    parts.sort();
    files.append(&mut parts);
    let mut addresses = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let found = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => parse_list(&text),
            Some("sources") => parse_sources(&text),
            _ => continue,
        };
        for address in found {
            match address.strip_prefix("mirror+file:") {
                Some(list) => {
                    addresses.extend(fs::read_to_string(list).iter().flat_map(|text| parse_mirrors(text)))
                }
                None => addresses.push(address),
            }
        }
    }
    addresses.retain(|address| address.starts_with("http://") || address.starts_with("https://"));
    addresses.iter_mut().for_each(|address| address.truncate(address.trim_end_matches('/').len()));
    addresses
}

/// `deb [OPTIONS] ADDRESS SUITE COMPONENT…`, one a line (sources.list(5)).
fn parse_list(text: &str) -> Vec<String> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = rest.trim_start();
        let rest =
            if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest };
        addresses.extend(rest.split_whitespace().next().map(str::to_owned));
    }
    addresses
}

/// Stanzas with `Types:`, `URIs:`, `Enabled:` (sources.list(5), DEB822 style).
fn parse_sources(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut addresses = Vec::new();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| {
            stanza.iter().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let is_binary =
            field("Types").is_some_and(|types| types.split_whitespace().any(|kind| kind == "deb"));
        let is_disabled = field("Enabled").is_some_and(|enabled| enabled.eq_ignore_ascii_case("no"));
        if is_binary && !is_disabled {
            addresses.extend(field("URIs").unwrap_or_default().split_whitespace().map(str::to_owned));
        }
    }
    addresses
}

/// The first word of each line (apt-transport-mirror(1)).
fn parse_mirrors(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_sources() {
        let text = "# deb http://off.example/debian x main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ trixie main\n\
                    deb-src http://src.example/debian trixie main\n";
        assert_eq!(parse_list(text), ["http://mirror.example/debian/"]);
    }

    #[test]
    fn stanza_sources() {
        let text = "Types: deb-src\nURIs: http://src.example/debian\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://off.example/debian\n\n\
                    Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian\nSuites: trixie\n";
        assert_eq!(parse_sources(text), ["http://mirror.example/debian"]);
    }

    #[test]
    fn only_the_main_archive_counts() {
        assert!(is_debian_archive("http://mirror.example/debian"));
        assert!(is_debian_archive("http://proxy.example:3142/mirror.example/debian"));
        assert!(!is_debian_archive("http://mirror.example/debian-security"));
        assert!(!is_debian_archive("http://debian.example/ubuntu"));
    }

    #[test]
    fn apt_configuration_is_read_from_all_its_files() {
        let apt = tempfile::tempdir().unwrap();
        let parts = apt.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        let mirrors = apt.path().join("mirrors");
        fs::write(&mirrors, "http://first.example/debian\tpriority:1\n").unwrap();
        let sources = format!("Types: deb\nURIs: mirror+file:{}\n", mirrors.display());
        fs::write(parts.join("debian.sources"), sources).unwrap();
        fs::write(parts.join("a.list.disabled"), "deb http://off.example/debian x main\n").unwrap();
        fs::write(apt.path().join("sources.list"), "deb http://main.example/debian/ x main\n").unwrap();
        assert_eq!(apt_sources(apt.path()), ["http://main.example/debian", "http://first.example/debian"]);
    }

    #[test]
    fn apt_proxy_as_apt_config_prints_it() {
        assert_eq!(
            parse_apt_proxy("Acquire::http::Proxy \"http://proxy.example:3142\";\n").as_deref(),
            Some("http://proxy.example:3142")
        );
        assert_eq!(parse_apt_proxy("Acquire::http::Proxy \"DIRECT\";\n"), None);
        assert_eq!(parse_apt_proxy(""), None);
    }

    #[test]
    fn a_mirror_must_be_an_address() {
        assert_eq!(address(Some("http://mirror.example/debian/")).unwrap(), "http://mirror.example/debian");
        assert!(address(Some("mirror.example")).unwrap_err().to_string().contains("http://"));
    }
}
