//! The rules that results of code scanning refer to: SARIF 2.1.0, 3.49 (`reportingDescriptor`), with what code scanning of GitHub shows of each.

use plugin_compat::{Code, Layer};
use serde_json::{Value, json};

/// SARIF's words for how bad a result is.
pub(super) const ERROR: &str = "error";
pub(super) const WARNING: &str = "warning";
pub(super) const NOTE: &str = "note";

/// The one rule of what is remarked.
pub(super) const REMARK: &str = "remark";

/// What makes a file easier to abuse.
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) level: &'static str,
    /// What it is, as a result begins.
    pub(super) what: &'static str,
    /// Why it matters.
    why: &'static str,
    pub(super) cure: &'static str,
}

/// In the order of results.
pub(super) const HARDENING: [Rule; 6] = [
    Rule {
        id: "hardening.relro",
        level: WARNING,
        what: "what the loader writes stays writable",
        why: "The tables by which functions are found can be overwritten, and with them where calls lead.",
        cure: "link with -z relro",
    },
    Rule {
        id: "hardening.lazy-binding",
        level: NOTE,
        what: "functions are bound when they are first called",
        why: "Their table has to stay writable for that, so that RELRO is partial at best.",
        cure: "link with -z now",
    },
    Rule {
        id: "hardening.executable-stack",
        level: WARNING,
        what: "stack or data are executable",
        why: "What an attacker writes there can be run.",
        cure: "link with -z noexecstack",
    },
    Rule {
        id: "hardening.writable-code",
        level: WARNING,
        what: "a segment is writable and executable at once",
        why: "What an attacker writes there can be run.",
        cure: "link without -N and without --omagic",
    },
    Rule {
        id: "hardening.text-relocations",
        level: WARNING,
        what: "relocations write into code",
        why: "Code has to be writable while the file is loaded, which hardened systems refuse, and is not shared between processes.",
        cure: "compile with -fPIC",
    },
    Rule {
        id: "hardening.run-path",
        level: WARNING,
        what: "libraries are searched where others may put theirs",
        why: "A relative folder depends on where the program is started, and in a folder that anybody may write to anybody's library is found.",
        cure: "link with absolute folders that only root may write to",
    },
];

/// The `reportingDescriptor` of a rule: one of these, or the code of a reason.
pub(super) fn describe(id: &str) -> Value {
    if let Some(Rule { level, what, why, cure, .. }) = HARDENING.iter().find(|rule| rule.id == id) {
        return descriptor(id, level, &capitalized(what), why, &format!("{}.", capitalized(cure)));
    }
    let of_any = "Each result names both sides and the cure. `cargo xtask inspect FILE` tells all that there is to know of a file, with every host.";
    let Ok(code) = id.parse::<Code>() else {
        let what = "What does not keep a file from loading";
        let why = "It should be known of the file all the same: it may matter elsewhere, or later.";
        return descriptor(id, NOTE, what, why, of_any);
    };
    let (level, why) = match code.layer() {
        Layer::Loader => (ERROR, "The loader of such a host refuses the file, or the process dies in it."),
        Layer::Contract => (ERROR, "The host refuses the file once it is loaded."),
        _ => (WARNING, "The loader takes the file all the same; it may not work, and nothing else says so."),
    };
    descriptor(id, level, code.summary(), why, of_any)
}

fn descriptor(id: &str, level: &str, what: &str, why: &str, help: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": format!("{what}.") },
        "fullDescription": { "text": format!("{what}. {why}") },
        "help": { "text": help },
        "defaultConfiguration": { "level": level },
    })
}

fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_described() {
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let ids: Vec<&str> = codes.chain(HARDENING.iter().map(|rule| rule.id)).chain([REMARK]).collect();
        let mut sentences: Vec<String> = Vec::new();
        for id in &ids {
            let rule = describe(id);
            assert_eq!(rule["id"], *id);
            for field in ["shortDescription", "fullDescription", "help"] {
                let text = rule[field]["text"].as_str().unwrap();
                assert!(text.len() > 10 && text.ends_with('.') && !text.contains(".."), "{id}: {text}");
            }
            sentences.push(rule["shortDescription"]["text"].to_string());
        }
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), ids.len(), "two rules are described alike");
    }
}
