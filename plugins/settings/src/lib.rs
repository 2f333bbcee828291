//! Reads a plugin's settings from JSON, the form in which a server passes a table of its configuration file.
//!
//! A crate of its own, so that the SDK stays without dependencies and plugins may read their settings as they like.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Setup};
use serde::de::DeserializeOwned;

/// The settings that an instance is made from; the defaults if it was given none.
///
/// Let `T` deny unknown fields: a misspelt setting should stop the operator, not be ignored.
///
/// # Errors
/// [`Error::invalid`] that says where in the settings what is wrong.
pub fn read<T: DeserializeOwned + Default>(setup: &Setup<'_>) -> Result<T, Error> {
    parse(setup.config()).map_err(Error::invalid)
}

fn parse<T: DeserializeOwned + Default>(config: &[u8]) -> Result<T, String> {
    if config.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(config).map_err(|error| format!("the settings are not what is expected: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        limit: u32,
    }

    #[test]
    fn settings_are_read_or_the_mistake_is_named() {
        assert_eq!(parse(b""), Ok(Example::default()));
        assert_eq!(parse(b"{}"), Ok(Example::default()));
        assert_eq!(parse(br#"{"limit": 3}"#), Ok(Example { limit: 3 }));
        for (config, part) in [
            (r#"{"limits": 3}"#, "unknown field `limits`, expected `limit`"),
            (r#"{"limit": "3"}"#, "invalid type: string \"3\", expected u32"),
            ("limit = 3", "expected value at line 1"),
        ] {
            let error = parse::<Example>(config.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
