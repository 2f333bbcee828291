//! Whether what expressions name is there: contexts and functions at that place, needed jobs and their outputs, steps, keys of the matrix, inputs.

use serde_json::Value;

use super::jobs::{matrix_keys, needed};
use super::parse::{Context, parse};
use super::places::Place;

/// What an expression at one place can see.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    workflow: &'a Value,
    place: &'static Place,
    /// [`Value::Null`] outside of jobs, which has no members.
    job: &'a Value,
    /// Ids of the steps that are over by then.
    steps: Vec<&'a str>,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    /// What has members, and no text of its own.
    ToObject,
    /// Something else, or something that only a run knows.
    ToValue,
}

/// Names that contexts have, in small letters; of the others only the workflow itself, or its repository, can tell.
const MEMBERS: [(&str, &str); 4] = [
    (
        "github",
        "action action_path action_ref action_repository action_status actor actor_id api_url base_ref env event event_name event_path graphql_url head_ref job path ref ref_name ref_protected ref_type repository repository_id repository_owner repository_owner_id repositoryurl retention_days run_attempt run_id run_number secret_source server_url sha token triggering_actor workflow workflow_ref workflow_sha workspace",
    ),
    (
        "job",
        "check_run_id container services status workflow_file_path workflow_ref workflow_repository workflow_sha",
    ),
    ("runner", "arch debug environment name os temp tool_cache"),
    ("strategy", "fail-fast job-index job-total max-parallel"),
];

/// Functions that there are only at some places.
const SPECIAL: [&str; 5] = ["always", "cancelled", "failure", "hashfiles", "success"];

impl<'a> Scope<'a> {
    /// That of the text at `path`.
    pub(super) fn at(path: &[String], workflow: &'a Value) -> Scope<'a> {
        let job = match path {
            [jobs, name, ..] if jobs == "jobs" => &workflow["jobs"][name],
            _ => &Value::Null,
        };
        let all = job["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let over = match path {
            [_, _, steps, at, ..] if steps == "steps" => at.parse().unwrap_or(all.len()),
            _ => all.len(),
        };
        let steps = all.iter().take(over).filter_map(|step| step["id"].as_str()).collect();
        Scope { workflow, place: Place::of(path), job, steps }
    }

    /// What is wrong with `expression`.
    pub(super) fn problems(&self, expression: &str) -> Vec<String> {
        let parsed = match parse(expression) {
            Ok(parsed) => parsed,
            Err(error) => return vec![format!("`{expression}`: {error}")],
        };
        let mut problems = Vec::new();
        for Context { names, is_value } in &parsed.contexts {
            match self.look_up(names) {
                Err(problem) => problems.push(format!("{}: {problem}", names.join("."))),
                Ok(Leads::ToObject) if *is_value => problems.push(format!(
                    "{}: an object is no value; name one of its members, or give it to a function",
                    names.join(".")
                )),
                Ok(_) => {}
            }
        }
        for function in parsed.functions.iter().filter(|function| SPECIAL.contains(function)) {
            if !self.place.has_function(function) {
                problems.push(format!("{function}() is not to be had here"));
            }
        }
        problems
    }

    fn look_up(&self, names: &[String]) -> Result<Leads, String> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (head, rest) = (names[0], &names[1..]);
        if !self.place.has_context(head) {
            return Err(format!("there is no `{head}` here, only: {}", self.place.contexts()));
        }
        if rest.is_empty() {
            return Ok(Leads::ToObject);
        }
        if rest.contains(&"*") {
            return Ok(Leads::ToValue);
        }
        match head {
            "needs" => self.of_needs(rest),
            "steps" => self.of_steps(rest),
            "matrix" => is_one_of(rest[0], matrix_keys(self.job).as_deref(), "this job's matrix"),
            "inputs" => is_one_of(rest[0], Some(&self.inputs()), "what starts this workflow"),
            _ => match MEMBERS.iter().find(|(name, _)| *name == head) {
                Some((_, members)) => is_one_of(rest[0], Some(&members.split(' ').collect::<Vec<_>>()), head),
                None if rest.len() == 1 => Ok(Leads::ToValue),
                None => Err(format!("{head}.{} is a text, without members", rest[0])),
            },
        }
    }

    fn of_needs(&self, rest: &[&str]) -> Result<Leads, String> {
        is_one_of(rest[0], Some(&needed(self.job)), "`needs` of this job")?;
        match rest[1..] {
            [] | ["outputs"] => Ok(Leads::ToObject),
            ["result"] => Ok(Leads::ToValue),
            ["outputs", name] => {
                let jobs = self.workflow["jobs"].as_object();
                let job = jobs
                    .and_then(|jobs| jobs.iter().find(|(id, _)| id.eq_ignore_ascii_case(rest[0])))
                    .map_or(&Value::Null, |(_, job)| job);
                // Those of a workflow that is called are its own business.
                let outputs = if job["uses"].is_null() { Some(keys(&job["outputs"])) } else { None };
                is_one_of(name, outputs.as_deref(), &format!("the outputs of {}", rest[0]))
            }
            _ => Err("a needed job has `result` and `outputs`, which are texts".to_owned()),
        }
    }

    fn of_steps(&self, rest: &[&str]) -> Result<Leads, String> {
        is_one_of(rest[0], Some(&self.steps), "the ids of steps before it")?;
        match rest[1..] {
            [] | ["outputs"] => Ok(Leads::ToObject),
            // Which outputs there are, only the action or the script knows.
            ["outcome" | "conclusion"] | ["outputs", _] => Ok(Leads::ToValue),
            _ => Err("a step has `outcome`, `conclusion` and `outputs`, which are texts".to_owned()),
        }
    }

    fn inputs(&self) -> Vec<&'a str> {
        let started = |by: &str| keys(&self.workflow["on"][by]["inputs"]);
        [started("workflow_dispatch"), started("workflow_call")].concat()
    }
}

/// `known` is `None` where only a run knows.
fn is_one_of(name: &str, known: Option<&[&str]>, whose: &str) -> Result<Leads, String> {
    match known {
        Some(known) if !known.iter().any(|one| one.eq_ignore_ascii_case(name)) => {
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            Err(format!("{name:?} is not in {whose}, which has {known}"))
        }
        _ => Ok(Leads::ToValue),
    }
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, expression: &str) -> String {
        let workflow = serde_json::json!({
            "on": { "workflow_dispatch": { "inputs": { "pairs": {} } } },
            "jobs": {
                "build": { "outputs": { "name": "a" }, "steps": [] },
                "called": { "uses": "./a.yml" },
                "made": { "strategy": { "matrix": "${{ fromJSON(vars.A) }}" } },
                "test": {
                    "needs": ["build", "called"],
                    "strategy": { "matrix": { "arch": ["a"], "include": [{ "arch": "a", "runner": "b" }] } },
                    "steps": [{ "id": "first" }, { "run": "" }, { "id": "last" }],
                },
            },
        });
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        Scope::at(&path, &workflow).problems(expression).join("; ")
    }

    #[test]
    fn what_is_there_is_found() {
        let step = "jobs.test.steps.1.run";
        for expression in [
            "matrix.arch == 'a' && matrix.runner != ''",
            "MATRIX['Arch']",
            "needs.build.outputs.name",
            "needs.called.outputs.anything",
            "needs.*.result",
            "contains(needs.*.result, 'failure')",
            "toJSON(matrix)",
            "steps.first.outputs.anything || steps.first.outcome",
            "inputs.pairs",
            "hashFiles('**/*.lock')",
            "github.event.pull_request.number",
            "fromJSON(steps.first.outputs.json).member",
            "format('{0}', runner.os)",
        ] {
            assert_eq!(problems(step, expression), "", "{expression}");
        }
        assert_eq!(problems("jobs.test.outputs.a", "steps.last.outputs.b"), "");
        assert_eq!(problems("jobs.made.name", "matrix.anything"), "");
        assert_eq!(problems("jobs.test.if", "!cancelled()"), "");
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let step = "jobs.test.steps.1.run";
        for (path, expression, told) in [
            (
                step,
                "matrix.arhc",
                "matrix.arhc: \"arhc\" is not in this job's matrix, which has arch, runner",
            ),
            ("jobs.build.steps.0.run", "matrix.arch", "which has nothing"),
            (step, "needs.biuld.result", "`needs` of this job, which has build, called"),
            (step, "needs.build.outputs.nmae", "the outputs of build, which has name"),
            (step, "needs.build.reslut", "has `result` and `outputs`"),
            (step, "steps.last.outcome", "steps before it, which has first"),
            (step, "steps.first.output.a", "has `outcome`, `conclusion` and `outputs`"),
            (step, "inputs.piars", "which has pairs"),
            (step, "github.evnet_name", "is not in github, which has action"),
            (step, "runner.cores", "which has arch"),
            (step, "vars.A.b", "vars.a is a text"),
            (step, "gihtub.ref", "there is no `gihtub` here, only: env"),
            ("jobs.test.steps.1.if", "secrets.A", "there is no `secrets` here"),
            ("jobs.test.if", "matrix.arch", "there is no `matrix` here, only: github"),
            ("name", "github.ref", "only: none"),
            (step, "always()", "always() is not to be had here"),
            ("jobs.test.if", "hashFiles('a') == ''", "hashfiles() is not to be had here"),
            (step, "matrix", "an object is no value"),
            (step, "needs.build.outputs == 'a'", "an object is no value"),
            (step, "hashfile('a')", "there is no function hashfile"),
            (step, "contains('a')", "contains with 1 arguments"),
            (step, "a ==", "`a ==`: it ends where a value is to stand"),
        ] {
            let found = problems(path, expression);
            assert!(found.contains(told), "{expression}: {found:?} has no {told:?}");
        }
    }
}
