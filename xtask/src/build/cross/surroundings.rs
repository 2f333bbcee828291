//! What cross is started with: its arguments, its environment, and the configuration of cargo in its container. All of it is decided
//! here, and nothing comes from whoever starts xtask but how to find programs and docker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::tool::TOOLCHAIN_NAME;
use crate::build::compile_rust::MESSAGES;

/// The configuration of cargo, in the folder that takes the output.
pub(super) const CONFIG: &str = "config.toml";

/// Variables that say where programs and the docker engine are, beside those that begin with [`DOCKER`].
const KEPT: [&str; 7] =
    ["PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK"];
const DOCKER: &str = "DOCKER_";
/// Options for docker that cross would take from the user.
const NOT_KEPT: &str = "DOCKER_OPTS";

/// Where rustup would download from. Nothing is there.
const NOWHERE: &str = "file:///nonexistent";

/// The arguments: what xtask gives to cargo, but for what [`CONFIG`] and `Cross.toml` say. `config` is the file's path in the container.
pub(super) fn arguments(target: &str, packages: Vec<String>, config: &str) -> Vec<String> {
    let words = ["build", "--release", "--locked", "--offline", "--target", target, "--config", config];
    let words = words.into_iter().map(str::to_owned);
    words.chain(packages).chain(MESSAGES.map(str::to_owned)).collect()
}

/// Cargo's configuration: every crate comes from the folder `crates`, and every compiler and build script gets `variables`.
///
/// These are no variables of the container, since its shell drops those whose names have a hyphen.
pub(super) fn cargo_config(crates: &str, variables: &BTreeMap<String, String>) -> Result<String> {
    let config = json!({
        "env": variables,
        "source": { "crates-io": { "replace-with": "vendored" }, "vendored": { "directory": crates } },
    });
    toml::to_string(&config).context("cannot write a configuration of cargo")
}

/// The environment, of which `given` is that of xtask. `homes` holds the folders of cargo, rustup and xargo, `state` what cargo keeps, and
/// `options` goes to `docker run`.
pub(super) fn environment(
    given: impl IntoIterator<Item = (OsString, OsString)>,
    homes: &Path,
    state: &Path,
    options: &[String],
    rootless: bool,
) -> BTreeMap<OsString, OsString> {
    let is_kept = |(name, _): &(OsString, OsString)| {
        let name = name.to_string_lossy();
        KEPT.contains(&&*name) || name.starts_with(DOCKER) && name != NOT_KEPT
    };
    let mut environment: BTreeMap<OsString, OsString> = given.into_iter().filter(is_kept).collect();
    let options: Vec<String> = options.iter().map(|word| quote(word)).collect();
    let own: [(&str, OsString); 13] = [
        ("CARGO_HOME", homes.join("cargo").into()),
        ("CARGO_NET_OFFLINE", "true".into()),
        ("CARGO_TARGET_DIR", state.into()),
        ("CROSS_CONTAINER_ENGINE", "docker".into()),
        ("CROSS_CONTAINER_OPTS", options.join(" ").into()),
        // Without this it asks rustup to add targets to the toolchain, whose std is not used.
        ("CROSS_CUSTOM_TOOLCHAIN", "1".into()),
        ("CROSS_ROOTLESS_CONTAINER_ENGINE", if rootless { "1" } else { "0" }.into()),
        ("RUSTUP_AUTO_INSTALL", "0".into()),
        ("RUSTUP_DIST_SERVER", NOWHERE.into()),
        ("RUSTUP_HOME", homes.join("rustup").into()),
        ("RUSTUP_TOOLCHAIN", TOOLCHAIN_NAME.into()),
        ("RUSTUP_UPDATE_ROOT", NOWHERE.into()),
        ("XARGO_HOME", homes.join("xargo").into()),
    ];
    environment.extend(own.map(|(name, value)| (name.into(), value)));
    environment
}

/// `word` as a shell would write it; cross takes options of docker apart as a shell does.
fn quote(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "_@%+=:,./-".contains(one);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_command_line_is_that_of_cargo() {
        let packages = ["--package", "ip-handler"].map(str::to_owned).to_vec();
        let words = arguments("aarch64-unknown-linux-musl", packages, "/build/config.toml");
        assert_eq!(
            words.join(" "),
            "build --release --locked --offline --target aarch64-unknown-linux-musl --config /build/config.toml \
             --package ip-handler --message-format json-render-diagnostics"
        );
    }

    #[test]
    fn only_what_finds_programs_and_docker_is_taken_over() {
        let given = [
            ("PATH", "/bin"),
            ("DOCKER_HOST", "unix:///x"),
            ("DOCKER_OPTS", "--privileged"),
            ("RUSTFLAGS", "-Ctarget-cpu=native"),
            ("CARGO_PROFILE_RELEASE_LTO", "fat"),
            ("CARGO_HOME", "/home/somebody/.cargo"),
            ("RUSTUP_TOOLCHAIN", "stable"),
            ("RUSTUP_DIST_SERVER", "http://127.0.0.1:1"),
            ("CROSS_CONFIG", "/elsewhere"),
        ];
        let given = given.map(|(name, value)| (name.into(), value.into()));
        let options = ["--env=A=b c".to_owned(), "--network=none".to_owned()];
        let environment = environment(given, Path::new("/homes"), Path::new("/state"), &options, false);
        let value = |name: &str| environment.get(&OsString::from(name)).map(|value| value.to_str().unwrap());
        assert_eq!((value("PATH"), value("DOCKER_HOST")), (Some("/bin"), Some("unix:///x")));
        for name in ["DOCKER_OPTS", "RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "CROSS_CONFIG"] {
            assert_eq!(value(name), None, "{name}");
        }
        assert_eq!(value("CARGO_HOME"), Some("/homes/cargo"));
        assert_eq!(value("RUSTUP_TOOLCHAIN"), Some(TOOLCHAIN_NAME));
        assert_eq!(value("RUSTUP_DIST_SERVER"), Some(NOWHERE));
        assert_eq!(value("CROSS_CONTAINER_OPTS"), Some("'--env=A=b c' --network=none"));
    }

    #[test]
    fn quoted_words_are_what_a_shell_reads() {
        let words =
            ["plain", "", "two words", "it's", "$HOME", "a\\b", "\"", "--mount", "type=bind,\"source=/a,b\""];
        let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let script = format!("printf '%s\\n' {}", line.join(" "));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", words.join("\n")));
    }

    #[test]
    fn the_configuration_is_what_cargo_reads() {
        let variables = [("DYNLAB_SOURCE_DIGEST_ip-handler".to_owned(), "sha256:0".to_owned())].into();
        let config: toml::Table = cargo_config("/vendor", &variables).unwrap().parse().unwrap();
        assert_eq!(config["env"]["DYNLAB_SOURCE_DIGEST_ip-handler"].as_str(), Some("sha256:0"));
        assert_eq!(config["source"]["crates-io"]["replace-with"].as_str(), Some("vendored"));
        assert_eq!(config["source"]["vendored"]["directory"].as_str(), Some("/vendor"));
    }
}
