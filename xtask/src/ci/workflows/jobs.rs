//! What jobs say of each other and of where they run: `needs`, ids of steps, the matrix, runners.

use serde_json::Value;

/// The labels of GitHub's Linux runners. A job with any other waits for a day, and then fails.
const RUNNERS: [&str; 8] = [
    "ubuntu-22.04",
    "ubuntu-22.04-arm",
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "ubuntu-26.04",
    "ubuntu-26.04-arm",
    "ubuntu-latest",
    "ubuntu-slim",
];

/// What is wrong with the jobs of a workflow, whatever its expressions say.
pub(super) fn problems(workflow: &Value) -> Vec<String> {
    let none = serde_json::Map::new();
    let jobs = workflow["jobs"].as_object().unwrap_or(&none);
    let mut problems = Vec::new();
    for (id, job) in jobs {
        let mut tell = |problem: String| problems.push(format!("$.jobs.{id}: {problem}"));
        for name in needed(job) {
            if !jobs.contains_key(name) {
                tell(format!("it needs {name:?}, and there is no such job"));
            }
        }
        if is_needed_by_itself(id, workflow) {
            tell("it waits for itself; break the circle of `needs`".to_owned());
        }
        for id in ids_given_twice(job) {
            tell(format!("two steps have the id {id:?}"));
        }
        for key in unknown_excluded(job) {
            tell(format!("the matrix excludes by {key:?}, and has no such key"));
        }
        for label in runners(job) {
            if !RUNNERS.contains(&label) {
                tell(format!("GitHub has no Linux runner {label:?}, only {}", RUNNERS.join(", ")));
            }
        }
    }
    problems
}

/// The jobs that `job` waits for.
pub(super) fn needed(job: &Value) -> Vec<&str> {
    texts_of(&job["needs"])
}

/// The keys that `matrix` has in `job`; `None` where an expression makes them.
pub(super) fn matrix_keys(job: &Value) -> Option<Vec<&str>> {
    let matrix = &job["strategy"]["matrix"];
    if matrix.is_string() || matrix["include"].is_string() {
        return None;
    }
    let included = matrix["include"].as_array().map(Vec::as_slice).unwrap_or_default();
    if included.iter().any(Value::is_string) {
        return None;
    }
    let mut keys = axes(matrix);
    keys.extend(included.iter().filter_map(Value::as_object).flat_map(|one| one.keys()).map(String::as_str));
    keys.sort_unstable();
    keys.dedup();
    Some(keys)
}

fn axes(matrix: &Value) -> Vec<&str> {
    let keys = matrix.as_object().into_iter().flat_map(|members| members.keys()).map(String::as_str);
    keys.filter(|key| !["include", "exclude"].contains(key)).collect()
}

fn is_needed_by_itself(id: &str, workflow: &Value) -> bool {
    let mut reached = needed(&workflow["jobs"][id]);
    let mut at = 0;
    while at < reached.len() {
        for next in needed(&workflow["jobs"][reached[at]]) {
            if !reached.contains(&next) {
                reached.push(next);
            }
        }
        at += 1;
    }
    reached.contains(&id)
}

fn ids_given_twice(job: &Value) -> Vec<&str> {
    let steps = job["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    let again = |(at, id): (usize, &&str)| ids[..at].iter().any(|before| before.eq_ignore_ascii_case(id));
    ids.iter().enumerate().filter(|one| again(*one)).map(|(_, id)| *id).collect()
}

fn unknown_excluded(job: &Value) -> Vec<&str> {
    let matrix = &job["strategy"]["matrix"];
    let axes = axes(matrix);
    let excluded = matrix["exclude"].as_array().map(Vec::as_slice).unwrap_or_default();
    let keys = excluded.iter().filter_map(Value::as_object).flat_map(|one| one.keys()).map(String::as_str);
    keys.filter(|key| !axes.contains(key)).collect()
}

/// The labels that a job runs on, as far as they can be read: written down, or by a key of its matrix.
fn runners(job: &Value) -> Vec<&str> {
    let mut labels = Vec::new();
    for text in texts_of(&job["runs-on"]) {
        match text.strip_prefix("${{ matrix.").and_then(|rest| rest.strip_suffix(" }}")) {
            Some(key) => {
                let matrix = &job["strategy"]["matrix"];
                labels.extend(texts_of(&matrix[key]));
                let included = matrix["include"].as_array().into_iter().flatten();
                labels.extend(included.filter_map(|one| one[key].as_str()));
            }
            None => labels.push(text),
        }
    }
    labels.retain(|label| !label.contains("${{"));
    labels
}

/// A text, or those of a list.
fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(job: Value) -> String {
        problems(&json!({ "jobs": { "a": job, "b": { "needs": "c" }, "c": {} } })).join("; ")
    }

    #[test]
    fn jobs_that_fit_together_pass() {
        let matrix = json!({ "arch": ["a"], "exclude": [{ "arch": "a" }], "include": [{ "runner": "ubuntu-24.04-arm" }] });
        let job = json!({
            "needs": ["b", "c"],
            "runs-on": "${{ matrix.runner }}",
            "strategy": { "matrix": matrix },
            "steps": [{ "id": "x" }, { "id": "y" }, {}],
        });
        assert_eq!(of(job), "");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (job, told) in [
            (json!({ "needs": "d" }), "$.jobs.a: it needs \"d\", and there is no such job"),
            (json!({ "needs": ["a"] }), "waits for itself"),
            (json!({ "steps": [{ "id": "x" }, { "id": "X" }] }), "two steps have the id \"X\""),
            (json!({ "strategy": { "matrix": { "exclude": [{ "arch": 1 }] } } }), "excludes by \"arch\""),
            (json!({ "runs-on": "ubuntu-24.4" }), "no Linux runner \"ubuntu-24.4\""),
            (
                json!({ "runs-on": "${{ matrix.os }}", "strategy": { "matrix": { "os": ["ubuntu"] } } }),
                "no Linux runner \"ubuntu\"",
            ),
        ] {
            let found = of(job);
            assert!(found.contains(told), "{found:?} has no {told:?}");
        }
        let circle =
            json!({ "jobs": { "a": { "needs": "b" }, "b": { "needs": "a" }, "c": { "needs": "b" } } });
        assert_eq!(problems(&circle).len(), 2);
    }

    #[test]
    fn a_matrix_that_an_expression_makes_has_keys_that_nobody_knows() {
        let keys = |matrix: Value| {
            matrix_keys(&json!({ "strategy": { "matrix": matrix } })).map(|keys| keys.join(" "))
        };
        assert_eq!(keys(json!("${{ fromJSON(vars.A) }}")), None);
        assert_eq!(keys(json!({ "a": [1], "include": "${{ fromJSON(vars.A) }}" })), None);
        assert_eq!(keys(json!({ "a": [1], "include": [{ "a": 2, "b": 3 }] })).as_deref(), Some("a b"));
        assert_eq!(matrix_keys(&json!({})), Some(vec![]));
    }
}
