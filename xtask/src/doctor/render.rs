//! The findings as text of 80 columns, and as JSON.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::check::{Check, State};
use crate::columns::paragraph;
use crate::engine::EngineChoice;

/// Where details begin.
const INDENT: usize = 21;

/// One paragraph per finding, the cure below it.
pub(super) fn text(engine: EngineChoice, checks: &[Check]) -> String {
    let mut text = format!("For `cargo xtask matrix --engine {}`, this machine has:\n\n", name(engine));
    for check in checks {
        let mark = match check.state {
            State::Ok => "ok",
            State::Missing => "MISSING",
            State::Partial => "PARTIAL",
            State::Unneeded => "-",
        };
        paragraph(&mut text, INDENT, &format!("  {mark:<8} {}", check.name), &check.detail);
        if let Some(cure) = &check.cure {
            paragraph(&mut text, INDENT, "", &format!("-> {cure}"));
        }
    }
    text.push('\n');
    text.push_str(conclusion(checks));
    text
}

/// The same for programs.
pub(super) fn json(engine: EngineChoice, checks: &[Check]) -> Value {
    let ready = checks.iter().all(|check| matches!(check.state, State::Ok | State::Unneeded));
    json!({ "engine": name(engine), "ready": ready, "checks": checks })
}

fn conclusion(checks: &[Check]) -> &'static str {
    if checks.iter().any(|check| check.state == State::Missing) {
        "What is MISSING must be mended first.\n"
    } else if checks.iter().any(|check| check.state == State::Partial) {
        "The matrix runs, except for the cells that need what is PARTIAL.\n"
    } else {
        "The whole matrix can run.\n"
    }
}

fn name(engine: EngineChoice) -> String {
    engine.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::COLUMNS;

    fn findings() -> [Check; 3] {
        let docker = Check {
            state: State::Unneeded,
            ..Check::missing("docker", "not installed", "apt-get install docker.io")
        };
        let detail = "binfmt_misc is not mounted at /proc/sys/fs/binfmt_misc, and this kernel has none for a user namespace";
        let emulation = Check {
            state: State::Partial,
            ..Check::missing("aarch64", detail, "as root: `cargo xtask doctor --fix`")
        };
        [Check::ok("sandbox", "user namespaces"), emulation, docker]
    }

    #[test]
    fn findings_read_well_in_eighty_columns() {
        let text = text(EngineChoice::Sandbox, &findings());
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        insta::assert_snapshot!(text, @r"
        For `cargo xtask matrix --engine sandbox`, this machine has:

          ok       sandbox   user namespaces
          PARTIAL  aarch64   binfmt_misc is not mounted at /proc/sys/fs/binfmt_misc, and
                             this kernel has none for a user namespace
                             -> as root: `cargo xtask doctor --fix`
          -        docker    not installed
                             -> apt-get install docker.io

        The matrix runs, except for the cells that need what is PARTIAL.
        ");
    }

    #[test]
    fn programs_get_the_same() {
        let json = json(EngineChoice::Podman, &findings());
        assert_eq!((&json["engine"], &json["ready"]), (&Value::from("podman"), &Value::from(false)));
        assert_eq!(json["checks"][1]["state"], "partial");
    }
}
