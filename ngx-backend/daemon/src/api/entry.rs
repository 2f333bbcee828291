//! Entries as JSON. Pure.

use std::num::NonZeroU16;

use backend_map::{Entry, Pattern, Upstream, UpstreamAddress, Upstreams};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

const FORM: &str = r#"write {"host": "www.example.com", "backend": "192.0.2.1:80"}"#;

/// Reads an entry; what it says at once is all that is said of it.
///
/// # Errors
/// 400 if it is no such JSON; 422 if nginx could not use what it says.
pub(super) fn read(text: &[u8]) -> Result<Entry, Refusal> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| Refusal::bad(format!("this is no JSON ({error}); {FORM}")))?;
    let Value::Object(fields) = value else {
        return Err(Refusal::bad(format!("this is JSON and no object; {FORM}")));
    };
    known_fields(&fields, &["host", "backend"])?;
    let Some(Value::String(host)) = fields.get("host") else {
        return Err(Refusal::bad(format!("`host` is missing or no text; {FORM}")));
    };
    let pattern = pattern(host)?;
    let upstreams = match fields.get("backend") {
        Some(Value::Array(list)) => list.iter().map(upstream).collect::<Result<_, _>>()?,
        Some(one @ Value::String(_)) => vec![upstream(one)?],
        _ => return Err(Refusal::bad(format!("`backend` is missing, or neither a text nor a list; {FORM}"))),
    };
    let upstreams =
        Upstreams::new(upstreams).map_err(|error| Refusal::unusable(format!("backend: {error}")))?;
    Ok(Entry { pattern, upstreams })
}

/// The pattern of a host as somebody wrote it.
///
/// # Errors
/// 422 with the reason.
pub(super) fn pattern(host: &str) -> Result<Pattern, Refusal> {
    Pattern::parse(host).map_err(|error| Refusal::unusable(format!("host {host:?}: {error}")))
}

fn upstream(value: &Value) -> Result<Upstream, Refusal> {
    let (address, weight) = match value {
        Value::String(address) => (address, NonZeroU16::MIN),
        Value::Object(fields) => {
            known_fields(fields, &["address", "weight"])?;
            let Some(Value::String(address)) = fields.get("address") else {
                return Err(Refusal::bad("`address` of a backend is missing or no text"));
            };
            (address, fields.get("weight").map_or(Ok(NonZeroU16::MIN), weight)?)
        }
        _ => return Err(Refusal::bad(r#"a backend is a text, or {"address": "192.0.2.1:80", "weight": 1}"#)),
    };
    let address: UpstreamAddress =
        address.parse().map_err(|error| Refusal::unusable(format!("backend {address:?}: {error}")))?;
    Ok(Upstream { address, weight })
}

fn weight(value: &Value) -> Result<NonZeroU16, Refusal> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).and_then(NonZeroU16::new);
    number.ok_or_else(|| Refusal::unusable(format!("weight {value}: write a number from 1 to 65535")))
}

fn known_fields(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            Err(Refusal::bad(format!("the field {name:?} is not known; there are {}", known.join(" and "))))
        }
        None => Ok(()),
    }
}

/// An entry in the form in which it can be sent back.
pub(super) fn write(entry: &Entry) -> Value {
    let backend = match &entry.upstreams[..] {
        [one] if one.weight == NonZeroU16::MIN => json!(one.address.to_string()),
        list => list
            .iter()
            .map(|one| json!({ "address": one.address.to_string(), "weight": one.weight.get() }))
            .collect(),
    };
    json!({ "host": entry.pattern.to_string(), "backend": backend })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_written_in_one_form() {
        for (text, expected) in [
            (
                r#"{"host": "A.com:80", "backend": "192.0.2.1:80"}"#,
                r#"{"backend":"192.0.2.1:80","host":"a.com"}"#,
            ),
            (
                r#"{"backend": ["[2001:DB8::1]:80", {"address": "unix:/s", "weight": 3}], "host": "*.a"}"#,
                r#"{"backend":[{"address":"[2001:db8::1]:80","weight":1},{"address":"unix:/s","weight":3}],"host":"*.a"}"#,
            ),
            (
                r#"{"host": "*", "backend": [{"address": "192.0.2.1:80"}]}"#,
                r#"{"backend":"192.0.2.1:80","host":"*"}"#,
            ),
        ] {
            let entry = read(text.as_bytes()).unwrap();
            let written = write(&entry).to_string();
            assert_eq!(written, expected);
            assert_eq!(read(written.as_bytes()).unwrap(), entry);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (text, status, part) in [
            ("", 400, "this is no JSON (EOF while parsing"),
            ("{", 400, "this is no JSON"),
            (r#"{"host": "a", "backend": "192.0.2.1:80"} x"#, 400, "this is no JSON (trailing characters"),
            ("[]", 400, "no object"),
            ("{}", 400, "`host` is missing"),
            (r#"{"host": 1}"#, 400, "`host` is missing or no text"),
            (r#"{"host": "a"}"#, 400, "`backend` is missing"),
            (r#"{"host": "a", "backend": 80}"#, 400, "`backend` is missing, or neither"),
            (r#"{"host": "a", "backend": [80]}"#, 400, "a backend is a text, or"),
            (r#"{"host": "a", "backend": [{"weight": 1}]}"#, 400, "`address` of a backend is missing"),
            (r#"{"host": "a", "backends": "192.0.2.1:80"}"#, 400, "the field \"backends\" is not known"),
            (r#"{"host": "", "backend": "192.0.2.1:80"}"#, 422, "host \"\": it is empty"),
            (r#"{"host": "a/b", "backend": "192.0.2.1:80"}"#, 422, "host \"a/b\": it has the character '/'"),
            (
                r#"{"host": "a", "backend": "localhost:80"}"#,
                422,
                "backend \"localhost:80\": `localhost` is a name",
            ),
            (r#"{"host": "a", "backend": []}"#, 422, "backend: there is no upstream"),
            (r#"{"host": "a", "backend": ["192.0.2.1:80", "192.0.2.1:80"]}"#, 422, "is there twice"),
            (
                r#"{"host": "a", "backend": [{"address": "192.0.2.1:80", "weight": 0}]}"#,
                422,
                "weight 0: write a number from 1 to 65535",
            ),
            (r#"{"host": "a", "backend": [{"address": "192.0.2.1:80", "weight": 1.5}]}"#, 422, "weight 1.5"),
        ] {
            let refusal = read(text.as_bytes()).unwrap_err();
            assert_eq!(refusal.status.as_u16(), status, "{text}");
            assert!(refusal.sentence.contains(part), "{text}: {}", refusal.sentence);
        }
    }
}
