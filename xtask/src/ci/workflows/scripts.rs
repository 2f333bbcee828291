//! The scripts that stand in workflows themselves, as files that shellcheck reads.

use serde_json::Value;

use super::expressions::{shown, without_expressions};

/// A script of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Names job and step, the steps counted from 0.
    pub(super) name: String,
    pub(super) text: String,
}

/// Shells that shellcheck knows, and the first line that tells it how GitHub starts them.
const SHELLS: [(&str, &str); 2] = [("bash", "#!/bin/bash -e\n"), ("sh", "#!/bin/sh -e\n")];

/// The scripts of all steps.
///
/// # Errors
/// Places of scripts in other languages, which nothing would read.
pub(super) fn scripts(workflow: &Value) -> Result<Vec<Script>, Vec<String>> {
    let mut scripts = Vec::new();
    let mut problems = Vec::new();
    for (id, job) in workflow["jobs"].as_object().into_iter().flatten() {
        for (at, step) in job["steps"].as_array().into_iter().flatten().enumerate() {
            let Some(run) = step["run"].as_str() else { continue };
            let shells =
                [&step["shell"], &job["defaults"]["run"]["shell"], &workflow["defaults"]["run"]["shell"]];
            let shell = shells.into_iter().find_map(Value::as_str).unwrap_or("bash");
            let known = SHELLS.iter().find(|(name, _)| shell.split(' ').next() == Some(*name));
            match known {
                Some((_, first)) => scripts.push(Script {
                    name: format!("{id}.steps[{at}].run"),
                    text: format!("{first}{}\n", without_expressions(run.trim_end())),
                }),
                None => {
                    let at = at.to_string();
                    let place =
                        shown(&["jobs", id.as_str(), "steps", at.as_str(), "shell"].map(str::to_owned));
                    problems.push(format!("{place}: nothing here reads scripts for {shell:?}; use bash"));
                }
            }
        }
    }
    if problems.is_empty() { Ok(scripts) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_step_that_runs_something_is_a_file() {
        let steps =
            json!([{ "uses": "a" }, { "run": "echo ${{ a }}\n" }, { "run": "b", "shell": "sh -e {0}" }]);
        let found = scripts(&json!({ "jobs": { "build": { "steps": steps } } })).unwrap();
        let expected = [
            ("build.steps[1].run", "#!/bin/bash -e\necho ________\n"),
            ("build.steps[2].run", "#!/bin/sh -e\nb\n"),
        ];
        let expected = expected.map(|(name, text)| Script { name: name.to_owned(), text: text.to_owned() });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_script_that_nothing_reads_is_told() {
        let job = json!({ "defaults": { "run": { "shell": "pwsh" } }, "steps": [{ "run": "a" }] });
        let told = scripts(&json!({ "jobs": { "build": job } })).unwrap_err();
        assert_eq!(told, ["$.jobs.build.steps[0].shell: nothing here reads scripts for \"pwsh\"; use bash"]);
    }
}
