//! Shows requests as JSON without losing anything of them, for the plugins that answer what they were sent.
//!
//! JSON knows text and HTTP knows bytes. Bytes that are UTF-8 become a string; any others `{"base64": "…"}`, which no string
//! can be mistaken for.
#![forbid(unsafe_code)]

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use plugin_sdk::{Error, Response};
use serde::ser::{SerializeMap, Serializer};
use serde::Serialize;

/// Bytes as a string, or as an object with the key `base64` (RFC 4648, section 4) if they are not UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(pub &'a [u8]);

/// Header fields as an object: names in the order in which each came first. The value of a name that came once is a [`Text`],
/// that of any other a list of them in the order they came.
///
/// The order between different names means nothing in HTTP (RFC 9110, section 5.3), so no meaning is lost.
#[derive(Debug)]
pub struct Fields<'a> {
    by_name: Vec<(&'a [u8], Vec<Text<'a>>)>,
}

impl<'a> FromIterator<(&'a [u8], &'a [u8])> for Fields<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a [u8], &'a [u8])>>(fields: I) -> Fields<'a> {
        let mut by_name: Vec<(&[u8], Vec<Text<'_>>)> = Vec::new();
        for (name, value) in fields {
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(Text(value)),
                None => by_name.push((name, vec![Text(value)])),
            }
        }
        Fields { by_name }
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut object = serializer.serialize_map(Some(1))?;
                object.serialize_entry("base64", &Base64Display::new(self.0, &STANDARD).to_string())?;
                object.end()
            }
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.by_name.len()))?;
        for (name, values) in &self.by_name {
            // A host passes names as HTTP has them, which is ASCII; whatever else comes stays recognizable.
            let name = String::from_utf8_lossy(name);
            match values.as_slice() {
                [value] => object.serialize_entry(&name, value)?,
                values => object.serialize_entry(&name, values)?,
            }
        }
        object.end()
    }
}

/// Answers with `value` as JSON, on lines of its own and indented, as people read it.
///
/// Nobody may keep the answer (it is about this request) or take it for anything but JSON (parts of it are the client's).
///
/// # Errors
/// As [`Response::send`].
pub fn send(response: &mut Response<'_>, value: &impl Serialize) -> Result<(), Error> {
    let mut body = serde_json::to_vec_pretty(value)?;
    body.push(b'\n');
    response.add_header("cache-control", "no-store")?;
    response.add_header("x-content-type-options", "nosniff")?;
    response.send("application/json", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(fields: &[(&str, &[u8])]) -> String {
        let fields: Fields<'_> = fields.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        serde_json::to_string(&fields).unwrap()
    }

    #[test]
    fn fields_keep_order_and_duplicates() {
        type Sent<'a> = &'a [(&'a str, &'a [u8])];
        let cases: [(Sent<'_>, &str); 5] = [
            (&[], "{}"),
            (&[("b", b"1"), ("a", b"2")], r#"{"b":"1","a":"2"}"#),
            (&[("b", b"1"), ("a", b"2"), ("b", b"3")], r#"{"b":["1","3"],"a":"2"}"#),
            (&[("a", b""), ("a", b"")], r#"{"a":["",""]}"#),
            (
                &[("a", b"caf\xe9"), ("b", "café \"x\"\t".as_bytes())],
                r#"{"a":{"base64":"Y2Fm6Q=="},"b":"café \"x\"\t"}"#,
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(json(fields), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_they_can_be_had_back(bytes: Vec<u8>) {
            use base64::Engine;
            let value: serde_json::Value = serde_json::from_str(&serde_json::to_string(&Text(&bytes)).unwrap()).unwrap();
            let back = match (value.as_str(), value["base64"].as_str()) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(encoded)) => STANDARD.decode(encoded).unwrap(),
                _ => panic!("{value}"),
            };
            prop_assert_eq!(back, bytes);
        }
    }
}
