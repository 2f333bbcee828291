//! The public items of a crate, one a line, from what rustdoc writes of it as JSON.
//!
//! A line is an item with its whole signature, so that whatever changes it takes the line away. Three things break others without
//! taking one away; each has a line that names all members, which changes when one is added: functions that a trait asks of its
//! implementors, variants of an enum that may be matched exhaustively, and fields of a struct that others may write as a literal.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Traits of the compiler's own, which it adds and drops by version.
const OF_THE_COMPILER: [&str; 2] = ["core::marker::Freeze", "core::marker::UnsafeUnpin"];

/// The lines for the crate that `file` describes.
///
/// # Errors
/// A format that the crate `public-api` does not know; it names both versions.
pub(super) fn read(file: &Path) -> Result<Vec<String>> {
    let api = public_api::Builder::from_rustdoc_json(file).omit_blanket_impls(true).build().context(
        "public-api does not understand the rustdoc of the toolchain image; take the version of that crate that does",
    )?;
    let is_own = |line: &String| !OF_THE_COMPILER.iter().any(|name| line.contains(name));
    let mut lines: Vec<String> = api.items().map(ToString::to_string).filter(is_own).collect();
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    lines.extend(closed(&serde_json::from_slice(&content)?));
    Ok(lines)
}

/// A line for each item that others rely on to be complete, sorted.
fn closed(rustdoc: &Value) -> Vec<String> {
    let own = rustdoc["index"].as_object().into_iter().flatten().filter(|(_, item)| item["crate_id"] == 0);
    let mut lines: Vec<String> = own
        .filter_map(|(id, item)| {
            let (what, members) = members(item, rustdoc)?;
            let path = rustdoc["paths"][id]["path"].as_array()?;
            let path: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
            Some(format!("{what} {}: {}", path.join("::"), members.join(", ")))
        })
        .collect();
    lines.sort();
    lines
}

/// What `item` must not have more of, and what it has, by name.
fn members(item: &Value, rustdoc: &Value) -> Option<(&'static str, Vec<String>)> {
    let inner = item["inner"].as_object()?;
    let named = |ids: &Value, is_one: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let items = ids.as_array().into_iter().flatten().map(|id| &rustdoc["index"][key(id)]);
        let names = items.filter(|item| is_one(item)).filter_map(|item| item["name"].as_str());
        names.map(str::to_owned).collect()
    };
    if let Some(of_trait) = inner.get("trait") {
        return Some(("trait asks for all of", named(&of_trait["items"], &is_required)));
    }
    let attributes = item["attrs"].as_array().into_iter().flatten();
    if attributes.filter_map(Value::as_str).any(|attribute| attribute.contains("non_exhaustive")) {
        return None;
    }
    if let Some(of_enum) = inner.get("enum") {
        return Some(("enum is one of", named(&of_enum["variants"], &|_| true)));
    }
    let plain = inner.get("struct")?["kind"].get("plain")?;
    let has_private = plain["has_stripped_fields"].as_bool() != Some(false);
    (!has_private).then(|| ("struct is all of", named(&plain["fields"], &|_| true)))
}

/// Whether a trait's item has to be written by whoever implements it.
fn is_required(item: &Value) -> bool {
    let inner = &item["inner"];
    if let Some(function) = inner.get("function") {
        return function["has_body"] == false;
    }
    // A type or constant has a default or null.
    let kinds = [("assoc_type", "type"), ("assoc_const", "value")];
    kinds.iter().any(|(kind, default)| inner.get(kind).is_some_and(|one| one[default].is_null()))
}

/// Ids are numbers where they are members, and texts where they are keys.
fn key(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rustdoc 1.96 writes it, cut down to what is read.
    fn rustdoc() -> Value {
        serde_json::json!({
            "paths": {
                "1": { "path": ["a", "Plugin"] },
                "2": { "path": ["a", "Kind"] },
                "3": { "path": ["a", "Code"] },
                "4": { "path": ["a", "Policy"] },
                "5": { "path": ["a", "Hidden"] },
                "9": { "path": ["std", "Clone"] },
            },
            "index": {
                "1": { "crate_id": 0, "name": "Plugin", "attrs": [], "inner": { "trait": { "items": [10, 11, 12, 13] } } },
                "2": { "crate_id": 0, "name": "Kind", "attrs": [], "inner": { "enum": { "variants": [20, 21] } } },
                "3": { "crate_id": 0, "name": "Code", "attrs": ["non_exhaustive"], "inner": { "enum": { "variants": [20] } } },
                "4": { "crate_id": 0, "name": "Policy", "attrs": [{ "other": "#[derive]" }],
                       "inner": { "struct": { "kind": { "plain": { "fields": [30], "has_stripped_fields": false } } } } },
                "5": { "crate_id": 0, "name": "Hidden", "attrs": [],
                       "inner": { "struct": { "kind": { "plain": { "fields": [30], "has_stripped_fields": true } } } } },
                "6": { "crate_id": 0, "name": "Unit", "attrs": [], "inner": { "struct": { "kind": "unit" } } },
                "9": { "crate_id": 1, "name": "Clone", "attrs": [], "inner": { "trait": { "items": [10] } } },
                "10": { "crate_id": 0, "name": "create", "inner": { "function": { "has_body": false } } },
                "11": { "crate_id": 0, "name": "accept", "inner": { "function": { "has_body": true } } },
                "12": { "crate_id": 0, "name": "Item", "inner": { "assoc_type": { "type": null } } },
                "13": { "crate_id": 0, "name": "ROUTE", "inner": { "assoc_const": { "value": "1" } } },
                "20": { "crate_id": 0, "name": "Handler", "inner": { "variant": {} } },
                "21": { "crate_id": 0, "name": "Cache", "inner": { "variant": {} } },
                "30": { "crate_id": 0, "name": "kind", "inner": { "struct_field": {} } },
            },
        })
    }

    #[test]
    fn what_others_rely_on_to_be_complete_is_listed() {
        assert_eq!(
            closed(&rustdoc()),
            [
                "enum is one of a::Kind: Handler, Cache",
                "struct is all of a::Policy: kind",
                "trait asks for all of a::Plugin: create, Item",
            ]
        );
    }

    #[test]
    fn a_function_that_implementors_have_to_add_changes_a_line() {
        let mut changed = rustdoc();
        changed["index"]["11"]["inner"]["function"]["has_body"] = Value::Bool(false);
        assert!(
            closed(&changed).contains(&"trait asks for all of a::Plugin: create, accept, Item".to_owned())
        );
    }
}
