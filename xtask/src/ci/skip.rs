//! Checks that a machine may lack something for: they say so and are skipped, unless they were required.

use std::fmt;

use anyhow::{Result, bail};
use clap::ValueEnum;

/// A check that is skipped where something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Skippable {
    /// Builds via cross, for which there have to be rustup and a docker engine.
    Cross,
    /// The matrix and services in docker, for which there has to be an engine.
    Docker,
    /// Fuzz targets, for which there has to be a compiler of C++.
    Fuzz,
    /// Predictions for modules of others, which lie in the images `gallery-*`.
    Gallery,
    /// The header of the contract, read by a compiler of C++.
    Header,
    /// Tests with services, which run in images.
    Services,
}

/// Says that `check` is skipped, and for which `reason`.
///
/// # Errors
/// It is among those that are `required`.
pub(super) fn skip(check: Skippable, reason: impl fmt::Display, required: &[Skippable]) -> Result<()> {
    let (what, name) = (check.what(), check.name());
    if required.contains(&check) {
        bail!(
            "{what}: {reason}; --require or DYNLAB_REQUIRE names {name}, so this is no machine to skip it on"
        );
    }
    eprintln!("skipped: {what} ({reason})");
    Ok(())
}

impl Skippable {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn what(self) -> &'static str {
        match self {
            Skippable::Cross => "builds via cross",
            Skippable::Docker => "the matrix and services with docker",
            Skippable::Fuzz => "fuzz targets",
            Skippable::Gallery => "predictions for modules of others",
            Skippable::Header => "the header read by C++",
            Skippable::Services => "tests with services from images",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_fails_where_it_would_be_skipped() {
        let required = [Skippable::Cross, Skippable::Gallery];
        for check in Skippable::value_variants() {
            skip(*check, "no such program", &[]).unwrap();
            let skipped = skip(*check, "no such program", &required);
            match (required.contains(check), skipped) {
                (true, Err(error)) => {
                    let (error, what) = (error.to_string(), check.what());
                    assert!(error.starts_with(&format!("{what}: no such program; ")), "{error}");
                    assert!(error.contains(&format!("names {},", check.name())), "{error}");
                }
                (false, Ok(())) => {}
                (_, skipped) => panic!("{check:?}: {skipped:?}"),
            }
        }
    }
}
