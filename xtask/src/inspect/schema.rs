//! Whether a report has the form that its JSON Schema describes. Knows as much of that vocabulary as the schemas here use: types, `enum`,
//! `const`, `anyOf`, `$ref`, `items`, `required` and `properties`, beside which an object has no other fields.

use serde_json::Value;

/// What of `value` is not as `schema` says.
pub(super) fn violations(value: &Value, schema: &Value) -> Vec<String> {
    violations_at(value, schema, schema, "report")
}

fn violations_at(value: &Value, schema: &Value, whole: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(reference) = schema["$ref"].as_str() {
        let part = whole.pointer(reference.trim_start_matches('#'));
        return part.map_or_else(
            || vec![format!("{at}: the schema has no {reference}")],
            |part| violations_at(value, part, whole, at),
        );
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().any(|choice| violations_at(value, choice, whole, at).is_empty());
        return if fits { found } else { vec![format!("{at} is none of what it may be")] };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !allowed.contains(&kind) {
        found.push(format!("{at} is of type {kind}"));
    }
    if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value))
        || schema.get("const").is_some_and(|only| only != value)
    {
        found.push(format!("{at} is {value}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations_at(item, &schema["items"], whole, &format!("{at}[{index}]")));
    }
    if let Some(fields) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        found.extend(
            required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at} has no {name}")),
        );
        for (name, field) in fields {
            match schema["properties"].get(name) {
                Some(part) => found.extend(violations_at(field, part, whole, &format!("{at}.{name}"))),
                None => found.push(format!("{at} has {name}")),
            }
        }
    }
    found
}
