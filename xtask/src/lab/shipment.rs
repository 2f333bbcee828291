//! What archives of a release hold.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Expectation, Lab, ModuleRecipe, client_folder};

/// Programs, plugins and modules of the lab that are for others, too.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shipment {
    /// Each a `[[program]]`.
    pub(crate) programs: Vec<String>,
    /// Each an `[[artifact]]` that works.
    pub(crate) plugins: Vec<String>,
    /// Each a `[[module]]` that `cargo xtask nginx` builds.
    pub(crate) modules: Vec<String>,
}

impl Shipment {
    /// Whether `lab` has all of it, for every target, and it is none of the fixtures.
    pub(super) fn check(&self, lab: &Lab) -> Result<()> {
        let mut names = BTreeSet::new();
        for name in self.programs.iter().chain(&self.plugins).chain(&self.modules) {
            if !names.insert(name) {
                bail!("[dist] has {name:?} twice; leave one of them out");
            }
        }
        if let Some(name) =
            self.programs.iter().find(|name| lab.programs.iter().all(|one| one.name != **name))
        {
            bail!("[dist] has program {name:?}, which is no [[program]]; add it");
        }
        for name in &self.plugins {
            let artifact = lab.artifacts.iter().find(|one| one.name == *name);
            let artifact = artifact
                .with_context(|| format!("[dist] has plugin {name:?}, which is no [[artifact]]; add it"))?;
            if artifact.expect != Expectation::works() || client_folder(artifact).is_none() {
                bail!("[dist] has plugin {name:?}, which no server is meant to use; leave it out");
            }
            if let Some(target) = lab.targets.iter().find(|target| !artifact.is_built_for(target)) {
                bail!("[dist] has plugin {name:?}, which is not built for {}", target.triple);
            }
        }
        for name in &self.modules {
            let module = lab.modules.iter().find(|one| one.name == *name);
            let module = module
                .with_context(|| format!("[dist] has module {name:?}, which is no [[module]]; add it"))?;
            if !matches!(module.recipe()?, ModuleRecipe::Built(_)) {
                bail!("[dist] has module {name:?}, which is a fixture; leave it out");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(programs: &[&str], plugins: &[&str], modules: &[&str], sentence: &str) {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let shipment =
            Shipment { programs: owned(programs), plugins: owned(plugins), modules: owned(modules) };
        let error = shipment.check(&lab).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }

    #[test]
    fn what_is_not_for_others_is_refused() {
        check(&["bash"], &[], &[], "no [[program]]");
        check(&["dyn-server", "dyn-server"], &[], &[], "has \"dyn-server\" twice");
        check(&[], &["no-such"], &[], "no [[artifact]]");
        check(&[], &["abi-major-2"], &[], "which no server is meant to use");
        check(&[], &["glibc-2.38"], &[], "not built for x86_64-unknown-linux-musl");
        check(&[], &[], &["absent-symbol"], "which is a fixture");
    }
}
