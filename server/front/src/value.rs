//! Kinds of values that options have, each written the same way in flags, environment and file.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// A span of time: a number and a unit, `10s`, `500ms`, `2m`; more than nothing and at most a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// The most bytes that a request's head may have.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "usize")]
pub struct HeadLimit(pub usize);

/// Something that is done or not, written `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

/// Addresses that share a prefix, `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(pub IpNet);

/// For fields of the configuration file whose type is read from text as a flag is.
pub fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| "write it like 10s, 500ms or 2m".to_owned())?;
        let duration = match &text[digits.len()..] {
            "ms" => Duration::from_millis(number),
            "s" | "" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            unit => return Err(format!("unknown unit `{unit}`; use ms, s or m")),
        };
        // Beyond a day clocks may overflow, and nobody means it.
        if duration.is_zero() || duration > Duration::from_secs(24 * 60 * 60) {
            return Err("must be more than nothing and at most a day".to_owned());
        }
        Ok(Self(duration))
    }
}

/// hyper keeps a head in one buffer and asks for at least this much.
const SMALLEST_HEAD_LIMIT: usize = 8 * 1024;

impl TryFrom<usize> for HeadLimit {
    type Error = String;

    fn try_from(bytes: usize) -> Result<Self, String> {
        if bytes < SMALLEST_HEAD_LIMIT {
            return Err(format!("must be at least {SMALLEST_HEAD_LIMIT}"));
        }
        Ok(Self(bytes))
    }
}

impl FromStr for HeadLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<usize>().map_err(|_| "not a number of bytes".to_owned())?.try_into()
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self(true)),
            "off" => Ok(Self(false)),
            _ => Err("use on or off".to_owned()),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        let network: IpNet = text.parse().map_err(|_| "write it like 10.0.0.0/8 or ::1".to_owned())?;
        // Most likely a slip, and then the one address or the whole network may be meant.
        if network.addr() != network.network() {
            return Err(format!(
                "{text} is an address in the network {}; name one of the two",
                network.trunc()
            ));
        }
        Ok(Self(network))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_have_a_unit_and_bounds() {
        let cases = [
            ("10s", Some(10_000)),
            ("7", Some(7_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("0s", None),
            ("2h", None),
            ("-1s", None),
            ("s", None),
            ("99999999999m", None),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse().ok(), millis.map(|millis| Span(Duration::from_millis(millis))), "{text}");
        }
    }

    #[test]
    fn networks_are_named_by_their_first_address() {
        let cases = [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("::1", Ok("::1/128")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("10.1.2.3/8", Err("10.1.2.3/8 is an address in the network 10.0.0.0/8; name one of the two")),
            ("10.0.0.0/33", Err("write it like 10.0.0.0/8 or ::1")),
            ("proxy.local", Err("write it like 10.0.0.0/8 or ::1")),
            ("", Err("write it like 10.0.0.0/8 or ::1")),
        ];
        for (text, expected) in cases {
            let found = text.parse::<Network>().map(|network| network.0.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
