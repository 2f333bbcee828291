//! Where expressions stand in the texts of a workflow.

use std::ops::Range;

use serde_json::Value;

/// The way to a text: keys, and indexes in decimal.
pub(super) type Path = Vec<String>;

/// Every text of a workflow, and the way to it.
pub(super) fn texts(workflow: &Value) -> Vec<(Path, &str)> {
    let mut found = Vec::new();
    collect(workflow, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Path, found: &mut Vec<(Path, &'a str)>) {
    let mut visit = |key: String, value| {
        path.push(key);
        collect(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| visit(key.clone(), value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| visit(at.to_string(), value));
        }
        Value::String(text) => found.push((path.clone(), text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// As JSON Path has it, from the root on.
pub(super) fn shown(path: &[String]) -> String {
    let step = |key: &String| {
        if key.bytes().all(|byte| byte.is_ascii_digit()) { format!("[{key}]") } else { format!(".{key}") }
    };
    std::iter::once("$".to_owned()).chain(path.iter().map(step)).collect()
}

/// The expressions in the text at `path`, without what encloses them. A condition is one by itself.
///
/// # Errors
/// What is wrong with the text, whatever the expressions say.
pub(super) fn expressions<'a>(path: &[String], text: &'a str) -> Result<Vec<&'a str>, String> {
    let spans = spans(text)?;
    if is_condition(path) {
        return match spans.as_slice() {
            [] => Ok(vec![text]),
            [one] if text[..one.start].trim().is_empty() && text[one.end..].trim().is_empty() => {
                Ok(vec![inner(text, one)])
            }
            _ => Err("text beside `${{ }}` makes a condition that is always true; put all of it inside, or leave the braces out".to_owned()),
        };
    }
    Ok(spans.iter().map(|span| inner(text, span)).collect())
}

/// `text` with something in the place of each expression that a shell takes for a word, and as long.
pub(super) fn without_expressions(text: &str) -> String {
    let mut plain = text.to_owned();
    for span in spans(text).unwrap_or_default() {
        plain.replace_range(span.clone(), &"_".repeat(span.len()));
    }
    plain
}

fn is_condition(path: &[String]) -> bool {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(keys[..], ["jobs", _, "if"] | ["jobs", _, "steps", _, "if"])
}

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

fn inner<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text[span.start + OPEN.len()..span.end - CLOSE.len()].trim()
}

/// Where expressions are, with their braces. Those in a string of an expression do not end it.
fn spans(text: &str) -> Result<Vec<Range<usize>>, String> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find(OPEN).map(|at| from + at) {
        let mut quoted = false;
        let end = text[start..].char_indices().find_map(|(at, letter)| {
            quoted ^= letter == '\'';
            (!quoted && text[start + at..].starts_with(CLOSE)).then_some(start + at + CLOSE.len())
        });
        from = end.ok_or_else(|| format!("`{OPEN}` without `{CLOSE}`"))?;
        spans.push(start..from);
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, text: &'static str) -> Result<Vec<&'static str>, String> {
        let path: Path = path.split('.').map(str::to_owned).collect();
        expressions(&path, text)
    }

    #[test]
    fn expressions_are_found_wherever_they_stand() {
        assert_eq!(at("name", "a"), Ok(vec![]));
        assert_eq!(at("name", "${{ a }}-${{b}}"), Ok(vec!["a", "b"]));
        assert_eq!(at("name", "${{ format('}}', a) }}"), Ok(vec!["format('}}', a)"]));
        assert_eq!(at("name", "${{ 'it''s }}' }}"), Ok(vec!["'it''s }}'"]));
        assert!(at("name", "${{ a }").unwrap_err().contains("without"));
    }

    #[test]
    fn a_condition_is_an_expression_with_and_without_braces() {
        for path in ["jobs.a.if", "jobs.a.steps.0.if"] {
            assert_eq!(at(path, "a == 'b'"), Ok(vec!["a == 'b'"]));
            assert_eq!(at(path, "${{ a }}"), Ok(vec!["a"]));
            assert!(at(path, "${{ a }} == 'b'").unwrap_err().contains("always true"));
        }
    }

    #[test]
    fn what_stands_for_an_expression_is_as_long() {
        assert_eq!(without_expressions("echo ${{ a }}!"), "echo ________!");
        assert_eq!(without_expressions("echo ${{ a"), "echo ${{ a");
    }

    #[test]
    fn texts_come_with_the_way_to_them() {
        let workflow =
            serde_json::json!({ "jobs": { "a": { "steps": [{ "run": "b", "with": { "c": 1 } }] } } });
        let found: Vec<_> = texts(&workflow).into_iter().map(|(path, text)| (shown(&path), text)).collect();
        assert_eq!(found, [("$.jobs.a.steps[0].run".to_owned(), "b")]);
    }
}
