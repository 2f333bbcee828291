//! nginx's configuration, filled in from its template.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::identity::Identity;
use crate::place;
use crate::settings::Settings;

/// What the template's `@NAMES@` stand for.
pub(crate) struct Values<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) identity: Identity,
    /// Whether standard output can be opened by its name; one that is a socket cannot.
    pub(crate) stdout: bool,
}

/// Prints it as it would be.
pub(crate) fn print() -> Result<u8> {
    let settings = Settings::read(|name| std::env::var_os(name))?;
    let values = Values { settings: &settings, identity: Identity::of_this_process()?, stdout: true };
    print!("{}", read_and_fill(&values)?);
    Ok(0)
}

/// The template with everything filled in.
///
/// # Errors
/// No template; or one with a name that nobody knows.
pub(crate) fn read_and_fill(values: &Values<'_>) -> Result<String> {
    let path = place::TEMPLATE;
    let template = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    fill(&template, values).with_context(|| path.to_owned())
}

fn fill(template: &str, values: &Values<'_>) -> Result<String> {
    let Values { settings, identity, stdout } = values;
    let listen = |parameters: &str| -> String {
        let lines = settings.listen.iter().map(|address| format!("listen {address}{parameters};"));
        lines.collect::<Vec<_>>().join(" ")
    };
    let known = [
        ("@API_HOSTS@", settings.api_hosts.join(" ")),
        ("@LISTEN@", listen("")),
        ("@LISTEN_DEFAULT@", listen(" default_server")),
        ("@USER@", identity.directive().to_owned()),
        ("@ACCESS_LOG@", if *stdout { "/dev/stdout" } else { "off" }.to_owned()),
    ];
    let mut text = template.to_owned();
    for (name, value) in &known {
        text = text.replace(name, value);
    }
    if let Some(unknown) = placeholder(&text) {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        bail!("nobody knows {unknown}; there are {}", names.join(", "));
    }
    Ok(text)
}

/// The first `@NAME@` in a text, on a line that is no comment.
fn placeholder(text: &str) -> Option<&str> {
    let in_a_name =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split('@').skip(1)).find(in_a_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, String> {
        let variables = [("DOMAIN", "a.test,b.test"), ("LISTEN", "80,unix:/run/x.sock")];
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let settings = Settings::read(find).unwrap();
        let values = Values { settings: &settings, identity: Identity::Root, stdout: false };
        fill(template, &values).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_filled_in() {
        let text =
            filled("@USER@\n@LISTEN_DEFAULT@ @LISTEN@ server_name @API_HOSTS@; access_log @ACCESS_LOG@;")
                .unwrap();
        let expected = "user www-data www-data;\nlisten 80 default_server; listen unix:/run/x.sock default_server; listen 80; listen unix:/run/x.sock; server_name api.a.test api.b.test; access_log off;";
        assert_eq!(text, expected);
        assert_eq!(filled("# @NOT_ME@\nname@host").unwrap(), "# @NOT_ME@\nname@host");
        assert!(filled("listen @PORT@;").unwrap_err().contains("nobody knows PORT; there are @API_HOSTS@"));
    }

    #[test]
    fn the_image_s_own_template_is_filled_in() {
        let template = include_str!("../../../containers/ngx-backend/rootfs/etc/ngx-backend/nginx.conf.in");
        let text = filled(template).unwrap();
        assert!(text.contains("server_name api.a.test api.b.test;") && text.contains(place::HEALTH_SOCKET));
        for path in [place::API_SOCKET, place::RESOLVER_SOCKET, place::PUBLISHED, place::TEMPORARY] {
            assert!(text.contains(path), "{path}");
        }
    }
}
