//! What the configuration file says of single plugins.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The sections of the plugins, by their names, and the order of the middlewares.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginOptions {
    /// The middlewares in the order in which a request meets them; the others follow, by name.
    pub(crate) middleware_order: Vec<String>,
    pub(crate) handlers: BTreeMap<String, HandlerOptions>,
    pub(crate) middlewares: BTreeMap<String, MiddlewareOptions>,
}

impl PluginOptions {
    /// Whether the file says anything of this middleware.
    pub(crate) fn names_middleware(&self, name: &str) -> bool {
        self.middlewares.contains_key(name) || self.middleware_order.iter().any(|ordered| ordered == name)
    }

    /// The middlewares without which nothing is served: those that the file names, unless it says that they are not required.
    pub(crate) fn required_middlewares(&self) -> Vec<&str> {
        let named = self.middleware_order.iter().chain(self.middlewares.keys());
        let mut required: Vec<&str> = named
            .map(String::as_str)
            .filter(|name| self.middlewares.get(*name).is_none_or(|options| options.required))
            .collect();
        required.sort_unstable();
        required.dedup();
        required
    }
}

/// `[handlers.NAME]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct HandlerOptions {
    /// Where to mount it, instead of where it wants to be.
    pub(crate) mount: Option<Route>,
    /// Whether it may take long, so that its calls are to be made where they hold up nobody else.
    pub(crate) blocking: bool,
    pub(crate) settings: PluginSettings,
}

/// `[middlewares.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct MiddlewareOptions {
    /// Whether requests are refused while it is not there. They are, unless the file says otherwise: what stands before the
    /// handlers may well be what protects them.
    pub(crate) required: bool,
    /// As for a handler.
    pub(crate) blocking: bool,
    pub(crate) settings: PluginSettings,
}

impl Default for MiddlewareOptions {
    fn default() -> Self {
        Self { required: true, blocking: false, settings: PluginSettings::default() }
    }
}

/// What a plugin is given when it is created: a text as it is, or a table as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PluginSettings(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for PluginSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text.into_bytes())),
            table @ toml::Value::Table(_) => Ok(Self(to_json(table).to_string().into_bytes())),
            other => {
                let found = other.type_str();
                Err(D::Error::custom(format!("settings are a table or a text, and this is of type {found}")))
            }
        }
    }
}

/// TOML's dates have no counterpart and become texts; numbers that JSON does not have become null.
fn to_json(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, to_json(value))).collect(),
    }
}

/// Where a handler is mounted: a path, or all that begin with it if it ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Route(pub(crate) String);

impl TryFrom<String> for Route {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if !text.starts_with('/') || !visible {
            return Err(format!("{text:?} is no path that begins with /"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_passed_as_text_or_as_json() {
        #[derive(Deserialize)]
        struct Section {
            settings: PluginSettings,
        }
        let read = |toml: &str| {
            let section: Section = toml::from_str(toml)?;
            Ok::<_, toml::de::Error>(String::from_utf8(section.settings.0).unwrap())
        };
        assert_eq!(read("settings = 'rate = 3'").unwrap(), "rate = 3");
        assert_eq!(
            read("settings = { origins = ['*'], age = 5, since = 2026-01-02 }").unwrap(),
            r#"{"age":5,"origins":["*"],"since":"2026-01-02"}"#
        );
        assert!(read("settings = 3").unwrap_err().to_string().contains("of type integer"));
    }

    #[test]
    fn middlewares_that_are_named_are_required() {
        let middlewares = BTreeMap::from([
            ("cors".to_owned(), MiddlewareOptions::default()),
            ("compress".to_owned(), MiddlewareOptions { required: false, ..Default::default() }),
        ]);
        let middleware_order = ["request-id", "compress", "cors"].map(str::to_owned).to_vec();
        let options = PluginOptions { middleware_order, middlewares, ..Default::default() };
        assert_eq!(options.required_middlewares(), ["cors", "request-id"]);
    }
}
