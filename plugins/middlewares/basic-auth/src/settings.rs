//! What the operator can set, and what of it is refused.

use crate::htpasswd;
use crate::remembered::Remembered;
use crate::turns::Turns;
use crate::users::Users;
use plugin_sdk::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The settings as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    users: BTreeMap<String, String>,
    file: Option<PathBuf>,
    realm: String,
    pub(crate) pass_authorization: bool,
    user_header: Option<String>,
    remember_seconds: u64,
    most_remembered: usize,
    at_once: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            users: BTreeMap::new(),
            file: None,
            realm: "Restricted".to_owned(),
            pass_authorization: false,
            user_header: None,
            remember_seconds: 300,
            most_remembered: 1_024,
            at_once: 4,
        }
    }
}

const LONGEST_MEMORY: u64 = 86_400;
const MOST_REMEMBERED: usize = 65_536;
const MOST_AT_ONCE: usize = 256;

impl Settings {
    /// All users, and remarks for the log.
    ///
    /// # Errors
    /// Which user is wrong and what to do about it; so for all of these.
    pub(crate) fn users(&self) -> Result<(Users, Vec<String>), Error> {
        let mut users = Users::default();
        for (name, hash) in &self.users {
            users.add(name, hash).map_err(|error| Error::invalid(format!("users: {name}: {error}")))?;
        }
        let Some(path) = &self.file else { return Ok((users, Vec::new())) };
        let (lines, remark) = htpasswd::read(path)?;
        for (number, name, hash) in lines {
            let place = || format!("file: {}: line {number}: {name}", path.display());
            users.add(&name, &hash).map_err(|error| Error::invalid(format!("{}: {error}", place())))?;
        }
        Ok((users, remark.into_iter().collect()))
    }

    /// The value of `www-authenticate` (RFC 7617, section 2.1).
    pub(crate) fn challenge(&self) -> Result<String, Error> {
        let realm = &self.realm;
        if !realm.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(Error::invalid(format!(
                "realm: {realm:?} is more than printable ASCII, which all clients can show"
            )));
        }
        let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(format!("Basic realm=\"{quoted}\", charset=\"UTF-8\""))
    }

    /// The field for the user's name, in lower case.
    pub(crate) fn user_header(&self) -> Result<Option<String>, Error> {
        let Some(name) = &self.user_header else { return Ok(None) };
        let lower = name.to_ascii_lowercase();
        // RFC 9110, section 5.6.2. Beginning with `x-` it is none that has a meaning of its own.
        let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !lower.starts_with("x-") || !lower.bytes().all(is_token_byte) {
            return Err(Error::invalid(format!(
                "user-header: `{name}` cannot be used; write one like x-remote-user"
            )));
        }
        Ok(Some(lower))
    }

    pub(crate) fn memory(&self) -> Result<Remembered, Error> {
        let (seconds, most) = (self.remember_seconds, self.most_remembered);
        if seconds > LONGEST_MEMORY {
            return Err(Error::invalid(format!(
                "remember-seconds: {seconds}; write 0 (never) to {LONGEST_MEMORY}"
            )));
        }
        if most > MOST_REMEMBERED {
            return Err(Error::invalid(format!("most-remembered: {most}; write 0 to {MOST_REMEMBERED}")));
        }
        Ok(Remembered::new(most, Duration::from_secs(seconds)))
    }

    pub(crate) fn turns(&self) -> Result<Turns, Error> {
        if !(1..=MOST_AT_ONCE).contains(&self.at_once) {
            return Err(Error::invalid(format!("at-once: {}; write 1 to {MOST_AT_ONCE}", self.at_once)));
        }
        Ok(Turns::new(self.at_once))
    }
}
