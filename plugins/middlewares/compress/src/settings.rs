//! What the operator can set, and what of it is refused.

use crate::coding::{Coding, Encoders, GZIP_LEVELS, ZSTD_LEVELS};
use crate::content_type::Types;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The settings as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    codings: Vec<String>,
    gzip_level: u32,
    zstd_level: i32,
    smallest: usize,
    largest: usize,
    types: Vec<String>,
}

/// The settings in the form that answers are made from.
#[derive(Debug)]
pub(crate) struct Policy {
    /// In the order of preference.
    pub(crate) codings: Vec<Coding>,
    pub(crate) encoders: Encoders,
    /// Lengths of bodies, in bytes.
    pub(crate) sizes: RangeInclusive<usize>,
    pub(crate) types: Types,
}

/// What shrinks and is commonly served. Pictures, sounds, archives and most fonts are compressed already.
const TYPES: [&str; 11] = [
    "text/*",
    "*+json",
    "*+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "application/x-ndjson",
    "font/ttf",
    "font/otf",
    "image/bmp",
];

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            codings: Coding::ALL.map(|coding| coding.name().to_owned()).to_vec(),
            gzip_level: 4,
            zstd_level: 3,
            smallest: 1_024,
            largest: 8 << 20,
            types: TYPES.map(str::to_owned).to_vec(),
        }
    }
}

impl Settings {
    /// # Errors
    /// The setting that is wrong and what is accepted.
    pub(crate) fn into_policy(self) -> Result<Policy, String> {
        let mut codings = Vec::new();
        for name in &self.codings {
            let coding = Coding::ALL.into_iter().find(|coding| coding.name() == name);
            let coding =
                coding.ok_or_else(|| format!("codings: `{name}` is not known; write gzip or zstd"))?;
            if codings.contains(&coding) {
                return Err(format!("codings: `{name}` stands there twice; remove one"));
            }
            codings.push(coding);
        }
        if codings.is_empty() {
            return Err("codings: none is left; write gzip or zstd, or remove the plugin".to_owned());
        }
        check("gzip-level", self.gzip_level, &GZIP_LEVELS)?;
        check("zstd-level", self.zstd_level, &ZSTD_LEVELS)?;
        if self.smallest > self.largest {
            let (smallest, largest) = (self.smallest, self.largest);
            return Err(format!(
                "smallest: {smallest} is above largest, {largest}; nothing would be compressed"
            ));
        }
        Ok(Policy {
            codings,
            encoders: Encoders::new(self.gzip_level, self.zstd_level),
            sizes: self.smallest..=self.largest,
            types: Types::parse(&self.types)?,
        })
    }
}

fn check<N: PartialOrd + std::fmt::Display>(
    name: &str,
    value: N,
    range: &RangeInclusive<N>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{name}: {value}; write {} to {}", range.start(), range.end()))
}
