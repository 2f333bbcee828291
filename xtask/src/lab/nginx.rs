//! nginx as a host, and modules for it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Lab;
use super::artifact::Cut;
use super::expect::{Expectation, Special};
use super::platform::{Arch, Libc, Target};

/// Debian's nginx of every version on every architecture, and how it refuses what was built for another of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NginxEntry {
    versions: Vec<String>,
    arches: Vec<Arch>,
    foreign: ForeignModules,
}

/// The codes with which nginx refuses a module that was built for another one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignModules {
    arch: String,
    version: String,
}

/// An nginx that modules are loaded into, in the image of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nginx {
    /// `nginx-VERSION-ARCH`, which is also the name of its image.
    pub(crate) name: String,
    /// Major and minor version.
    pub(crate) version: String,
    /// Its architecture.
    pub(crate) arch: Arch,
}

/// A module, or what pretends to be one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Module {
    /// Unique among the modules.
    pub(crate) name: String,
    /// What `cargo xtask nginx` builds under this name.
    built: Option<String>,
    /// A C source, compiled against the headers of each nginx.
    c: Option<CModule>,
    /// An earlier module cut short.
    cut: Option<Cut>,
    /// An artifact for glibc, taken as it is.
    artifact: Option<String>,
    /// Directives of the block `http` that nginx knows from this module alone.
    #[serde(default)]
    pub(crate) directives: String,
    /// What is expected in the nginx that it is built for. Default: works.
    #[serde(default = "Expectation::works")]
    expect: Expectation,
    /// What is expected in others; the first that covers one wins.
    #[serde(default)]
    on: Vec<Special<ModuleMeeting>>,
}

/// How a module is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ModuleRecipe<'a> {
    /// By `cargo xtask nginx`, under this name.
    Built(&'a str),
    /// Compiled from C.
    C(&'a CModule),
    /// An earlier module cut short.
    Cut(&'a Cut),
    /// This artifact.
    Artifact(&'a str),
}

/// A C source and how it is compiled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CModule {
    /// Relative to the repository.
    pub(crate) source: String,
    /// Macros that it is compiled with.
    #[serde(default)]
    pub(crate) defines: Vec<String>,
}

/// How an nginx relates to that which a module is built for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModuleMeeting {
    /// The same.
    #[default]
    Home,
    /// Another version on the same architecture.
    Version,
    /// Another architecture.
    Arch,
}

impl NginxEntry {
    pub(super) fn expand(&self) -> Vec<Nginx> {
        let of = |version: &String, arch: Arch| Nginx {
            name: format!("nginx-{version}-{arch}"),
            version: version.clone(),
            arch,
        };
        self.versions
            .iter()
            .flat_map(|version| self.arches.iter().map(move |&arch| of(version, arch)))
            .collect()
    }

    pub(super) fn versions(&self) -> &[String] {
        &self.versions
    }

    fn meeting(&self, module: &Module, built_for: &Nginx, host: &Nginx) -> ModuleMeeting {
        if host.arch != built_for.arch {
            ModuleMeeting::Arch
        } else if host.version != built_for.version && module.artifact.is_none() {
            ModuleMeeting::Version
        } else {
            ModuleMeeting::Home
        }
    }

    pub(super) fn expectation(&self, module: &Module, built_for: &Nginx, host: &Nginx) -> Expectation {
        let meeting = self.meeting(module, built_for, host);
        if let Some(special) = module.on.iter().find(|special| special.covers(meeting, &host.name)) {
            return special.expect.clone();
        }
        match meeting {
            ModuleMeeting::Home => module.expect.clone(),
            ModuleMeeting::Version => Expectation::refused(&self.foreign.version),
            ModuleMeeting::Arch => Expectation::refused(&self.foreign.arch),
        }
    }
}

impl Nginx {
    /// Major and minor version as numbers, to tell which is newer.
    pub(super) fn version_numbers(&self) -> Vec<u32> {
        self.version.split('.').map_while(|part| part.parse().ok()).collect()
    }

    /// The target of what runs in it: Debian's nginx has glibc.
    pub(crate) fn is_of(&self, target: &Target) -> bool {
        target.arch == self.arch && target.libc == Libc::Gnu
    }
}

impl Module {
    /// How it is made.
    ///
    /// # Errors
    /// No recipe, or more than one.
    pub(crate) fn recipe(&self) -> Result<ModuleRecipe<'_>> {
        match (&self.built, &self.c, &self.cut, &self.artifact) {
            (Some(name), None, None, None) => Ok(ModuleRecipe::Built(name)),
            (None, Some(source), None, None) => Ok(ModuleRecipe::C(source)),
            (None, None, Some(cut), None) => Ok(ModuleRecipe::Cut(cut)),
            (None, None, None, Some(name)) => Ok(ModuleRecipe::Artifact(name)),
            _ => bail!("module {:?} needs exactly one of built, c, cut and artifact", self.name),
        }
    }
}

/// Whether all that the modules of `lab` name is there.
pub(super) fn check(lab: &Lab) -> Result<()> {
    let mut names = BTreeSet::new();
    for module in &lab.modules {
        let name = &module.name;
        if !names.insert(name) {
            bail!("module {name:?} is named twice; give one of them another name");
        }
        match module.recipe()? {
            ModuleRecipe::Cut(cut) if !names.contains(&cut.of) || cut.of == *name => {
                bail!(
                    "module {name:?} is cut from {:?}, which does not stand before it; move or add that module",
                    cut.of
                );
            }
            ModuleRecipe::Artifact(artifact) => {
                let artifact = lab.artifacts.iter().find(|one| one.name == artifact);
                let artifact =
                    artifact.with_context(|| format!("module {name:?} is no [[artifact]]; add it"))?;
                let mut targets = lab.targets.iter().filter(|target| target.libc == Libc::Gnu);
                if let Some(target) = targets.find(|target| !artifact.is_built_for(target)) {
                    bail!("module {name:?} is an artifact that is not built for {}", target.triple);
                }
            }
            _ => {}
        }
        for special in &module.on {
            if !lab.nginxes.iter().any(|nginx| special.covers(special.meets, &nginx.name)) {
                bail!("module {name:?} expects something of {:?}, which is no nginx's name", special.hosts);
            }
        }
    }
    Ok(())
}
