//! The workflows of `.github`, read by the tools of a pinned image, without a network, and by what those tools leave out.

mod expressions;
mod jobs;
mod names;
mod parse;
mod places;
mod scripts;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use self::expressions::{expressions, shown, texts};
use self::names::Scope;
use crate::build::Room;
use crate::engine::Mount;
use crate::error::Stop;
use crate::ground::Ground;

const IMAGE: &str = "workflow-lint";
const SOURCES: &str = "/src";
/// Where the image has what is made of workflows to be read.
const CHECKED: &str = "/checked";
const WORKFLOWS: &str = ".github/workflows";
/// Whose files are all scripts of the shell.
const SCRIPTS: &str = ".github/scripts";
/// Workflows that are wrong in one way each.
const BAD: &str = include_str!("workflows/bad.toml");

/// zizmor over the workflows, pedantic; shellcheck over what they and CI start; then what [`find`] does, which has to find what is wrong with bad ones, too.
///
/// # Errors
/// What the first of these finds, all of it.
pub(super) fn lint(ground: &Ground) -> Result<()> {
    let engine = ground.engine([])?;
    let image = ground.image(IMAGE)?;
    let checked = tempfile::tempdir().context("cannot make a folder for what is checked")?;
    let mounts =
        vec![Mount::read_only(&ground.repository, SOURCES), Mount::read_only(checked.path(), CHECKED)];
    let room = Room { engine: engine.as_ref(), image: &image, mounts, cwd: SOURCES };
    run(
        &room,
        &[
            "/opt/zizmor/zizmor",
            "--offline",
            "--quiet",
            "--persona=pedantic",
            "--strict-collection",
            "--no-progress",
            "--color=never",
            ".github",
        ],
        &[],
    )?;
    run(&room, &["/usr/bin/shellcheck", ".ci/run"], &listed(SCRIPTS, ground)?)?;
    let findings = find(&listed(WORKFLOWS, ground)?, &room, checked.path())?;
    if !findings.is_empty() {
        bail!(Stop::Disagreement(format!("{WORKFLOWS}:\n{}", findings.join("\n"))));
    }
    prove(&room, checked.path())
}

/// What is wrong with the workflows `files`, paths in the image: keys and types by their schema, names in expressions and jobs, and what shellcheck says of the
/// scripts in them. `folder` is what the image has at [`CHECKED`].
fn find(files: &[String], room: &Room<'_>, folder: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let (mut documents, mut bodies) = (Vec::new(), Vec::new());
    for (path, workflow) in as_json(files, room)? {
        let name = path.rsplit('/').next().unwrap_or(&path);
        let write = |file: &str, content: &str| {
            fs::write(folder.join(file), content).with_context(|| format!("cannot write {file}"))?;
            anyhow::Ok(format!("{CHECKED}/{file}"))
        };
        documents.push(write(&format!("{name}.json"), &workflow.to_string())?);
        let mut problems = check(&workflow);
        match scripts::scripts(&workflow) {
            Ok(scripts) => {
                for script in scripts {
                    bodies.push(write(&format!("{name}.{}", script.name), &script.text)?);
                }
            }
            Err(more) => problems.extend(more),
        }
        findings.extend(problems.iter().map(|problem| format!("{name}: {problem}")));
    }
    let validate = ["/opt/workflow-lint/validate"].as_slice();
    // Variables come from `env`, which shellcheck cannot see: no such word is misspelt or unassigned.
    let shellcheck = ["/usr/bin/shellcheck", "--norc", "--exclude=SC2153,SC2154", "--format=gcc"].as_slice();
    for (program, files) in [(validate, documents), (shellcheck, bodies)] {
        if !files.is_empty() {
            findings.extend(run(room, program, &files).err().map(|error| error.to_string()));
        }
    }
    Ok(findings)
}

/// What is wrong with one workflow, as far as it can be told without other tools; each with its place.
fn check(workflow: &Value) -> Vec<String> {
    let mut problems = jobs::problems(workflow);
    for (path, text) in texts(workflow) {
        let found = match expressions(&path, text) {
            Ok(expressions) => {
                let scope = Scope::at(&path, workflow);
                expressions.iter().flat_map(|expression| scope.problems(expression)).collect()
            }
            Err(problem) => vec![problem],
        };
        problems.extend(found.iter().map(|problem| format!("{}: {problem}", shown(&path))));
    }
    problems
}

/// The workflows as JSON, with the paths that they are from. YAML with a key given twice is refused.
fn as_json(files: &[String], room: &Room<'_>) -> Result<Vec<(String, Value)>> {
    let printed = run(room, &["/usr/bin/gojq", "--yaml-input", "-c", "[input_filename, .]"], files)?;
    let lines = printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).context("gojq printed something else")).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    workflow: Vec<BadWorkflow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadWorkflow {
    name: String,
    /// What has to be said of it.
    finds: String,
    text: String,
}

/// Looks at workflows that are wrong: a check that finds nothing in them finds nothing anywhere.
fn prove(room: &Room<'_>, folder: &Path) -> Result<()> {
    let bad = toml::from_str::<Bad>(BAD).context("bad.toml")?.workflow;
    let mut files = Vec::new();
    for BadWorkflow { name, text, .. } in &bad {
        fs::write(folder.join(format!("{name}.yml")), text)
            .with_context(|| format!("cannot write {name}"))?;
        files.push(format!("{CHECKED}/{name}.yml"));
    }
    let findings = find(&files, room, folder)?.join("\n");
    for BadWorkflow { name, finds, .. } in &bad {
        let is_found = |line: &str| line.contains(&format!("{name}.yml")) && line.contains(finds.as_str());
        ensure!(
            findings.lines().any(is_found),
            "{finds:?} is not found in {name:?} of bad.toml, only:\n{findings}"
        );
    }
    eprintln!("{} bad workflows are found to be so", bad.len());
    Ok(())
}

fn run(room: &Room<'_>, program: &[&str], files: &[String]) -> Result<Vec<u8>> {
    let argv: Vec<String> =
        program.iter().map(|&word| word.to_owned()).chain(files.iter().cloned()).collect();
    room.run(&argv, Vec::new(), None)
}

/// The files of a folder, relative to the repository, by name.
fn listed(folder: &str, ground: &Ground) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(ground.repository.join(folder)).with_context(|| format!("cannot list {folder}"))?;
    let names = entries.map(|entry| Ok(format!("{folder}/{}", entry?.file_name().to_string_lossy())));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    ensure!(!names.is_empty(), "{folder} is empty; remove it, and this check of it");
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_with_its_place() {
        let workflow = serde_json::json!({
            "on": "push",
            "run-name": "${{ github.ref }",
            "jobs": { "a": { "needs": "b", "if": "github.rfe", "steps": [{ "run": "${{ steps.x.outcome }}" }] } },
        });
        let told = check(&workflow).join("\n");
        for part in [
            "$.jobs.a: it needs \"b\"",
            "$.run-name: `${{` without `}}`",
            "$.jobs.a.if: github.rfe: \"rfe\" is not in github",
            "$.jobs.a.steps[0].run: steps.x.outcome: \"x\" is not in the ids of steps before it, which has nothing",
        ] {
            assert!(told.contains(part), "{part} is not in:\n{told}");
        }
        assert_eq!(told.lines().count(), 4);
    }
}
