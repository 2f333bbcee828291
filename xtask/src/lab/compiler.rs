//! Compilers as an axis: the same plugins by each of them, in every profile, and the probes that load these by some of them.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::artifact::{Artifact, Recipe};
use super::expect::{Expectation, Outcome, Prediction};
use super::platform::Target;
use super::{Lab, expect};

/// What every compiler builds: artifacts by their names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Specimens {
    /// By those of Rust, in every profile and with both panic strategies.
    pub(crate) rust: String,
    /// By those of C, in every profile.
    pub(crate) c: String,
    /// By those of Rust with both panic strategies: one whose panic is caught at its edge, or ends the host.
    pub(crate) panics: String,
}

/// A compiler in an image of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compiler {
    /// Unique; also the name of its image, unless that is told.
    pub(crate) name: String,
    /// The image that has it.
    image: Option<String>,
    /// What it compiles.
    pub(crate) language: Language,
    /// Whether it also builds probes, as hosts of what the others build.
    #[serde(default)]
    pub(crate) hosts: bool,
    /// Targets that it builds nothing for.
    #[serde(default)]
    pub(crate) without: Vec<Without>,
}

/// What does not exist, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Without {
    /// Triples; `*` stands for any characters.
    pub(crate) targets: String,
    /// A reason that a reader can check.
    pub(crate) because: String,
}

/// What a compiler compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Plugins of packages, built from what an author outside this workspace has.
    Rust,
    /// Plugins of one source file.
    C,
}

/// How much a compiler optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Not at all; with what debuggers read.
    Debug,
    /// As what is shipped.
    Release,
}

/// What a panic does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Panic {
    /// It is caught at the plugin's edge.
    Unwind,
    /// It ends the process.
    Abort,
}

/// One plugin as one compiler makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiled<'a> {
    /// Who makes it.
    pub(crate) compiler: &'a Compiler,
    /// What it is made of.
    pub(crate) artifact: &'a Artifact,
    /// How it is optimised.
    pub(crate) profile: Profile,
    /// What its panics do; a plugin in C has none.
    pub(crate) panic: Option<Panic>,
    /// Whether creating it panics.
    panics: bool,
}

/// A load of such a plugin, and what should come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    /// Whether the host takes plugins whose panics end it.
    pub(crate) allow_abort: bool,
    /// In hosts of the plugin's own platform.
    pub(crate) expect: Expectation,
}

const PROFILES: [Profile; 2] = [Profile::Debug, Profile::Release];
const PANICS: [Panic; 2] = [Panic::Unwind, Panic::Abort];

impl Compiler {
    /// The image that has it.
    pub(crate) fn image(&self) -> &str {
        self.image.as_deref().unwrap_or(&self.name)
    }

    /// Whether it builds for `target`.
    pub(crate) fn builds_for(&self, target: &Target) -> bool {
        !self.without.iter().any(|without| expect::matches(&without.targets, &target.triple))
    }

    /// What it builds of the specimens of `lab`.
    fn compiled<'a>(&'a self, lab: &'a Lab) -> Result<Vec<Compiled<'a>>> {
        let specimens =
            lab.specimens.as_ref().context("[[compiler]] builds what [compilers] names; add that")?;
        let artifact = |name: &str| {
            let found = lab.artifacts.iter().find(|artifact| artifact.name == name);
            found.with_context(|| format!("[compilers] names {name:?}, which is no [[artifact]]; add it"))
        };
        let of =
            |artifact, profile, panic, panics| Compiled { compiler: self, artifact, profile, panic, panics };
        Ok(match self.language {
            Language::C => {
                let c = artifact(&specimens.c)?;
                PROFILES.map(|profile| of(c, profile, None, false)).to_vec()
            }
            Language::Rust => {
                let (rust, panics) = (artifact(&specimens.rust)?, artifact(&specimens.panics)?);
                let each = PROFILES.into_iter().flat_map(|profile| PANICS.map(|panic| (profile, panic)));
                let mut all: Vec<_> =
                    each.map(|(profile, panic)| of(rust, profile, Some(panic), false)).collect();
                all.extend(PANICS.map(|panic| of(panics, Profile::Release, Some(panic), true)));
                all
            }
        })
    }
}

impl Compiled<'_> {
    /// `ARTIFACT-COMPILER-PROFILE` and, in Rust, `-PANIC`.
    pub(crate) fn name(&self) -> String {
        let Compiled { compiler, artifact, profile, panic, .. } = self;
        let panic = panic.map(|panic| format!("-{panic}")).unwrap_or_default();
        format!("{}-{}-{profile}{panic}", artifact.name, compiler.name)
    }

    /// The package that it is made of, in Rust.
    ///
    /// # Errors
    /// It is made of something else.
    pub(crate) fn package(&self) -> Result<&str> {
        match self.artifact.recipe()? {
            Recipe::Cargo(package) => Ok(package),
            _ => bail!("artifact {:?} is no package; [compilers] needs one for Rust", self.artifact.name),
        }
    }

    /// The source that it is made of, in C.
    ///
    /// # Errors
    /// It is made of something else.
    pub(crate) fn source(&self) -> Result<&str> {
        match self.artifact.recipe()? {
            Recipe::C(source) => Ok(&source.source),
            _ => bail!("artifact {:?} is no source in C; [compilers] needs one for C", self.artifact.name),
        }
    }

    /// Every way in which hosts are told to load it.
    ///
    /// One whose panics end the host is refused where that is not allowed, though the loader alone would have it work.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let as_ever = self.artifact.expect.clone();
        let load = |allow_abort, expect| Load { allow_abort, expect };
        match (self.panic, self.panics) {
            (Some(Panic::Abort), true) => {
                vec![load(true, Expectation { predicted: Prediction::Works, alone: Outcome::Crashed })]
            }
            (Some(Panic::Abort), false) => {
                let code = plugin_compat::Code::PanicAbort.to_string();
                let refused = Expectation { predicted: Prediction::Refused(code), alone: as_ever.alone };
                vec![load(false, refused), load(true, as_ever)]
            }
            _ => vec![load(false, as_ever)],
        }
    }
}

impl Lab {
    /// What every compiler builds for `target`, in the order of the file.
    ///
    /// # Errors
    /// `[compilers]` names what is no artifact.
    pub(crate) fn compiled_for(&self, target: &Target) -> Result<Vec<Compiled<'_>>> {
        let compilers = self.compilers.iter().filter(|compiler| compiler.builds_for(target));
        let compiled = compilers.map(|compiler| compiler.compiled(self));
        Ok(compiled.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The compilers that build probes for `target`.
    pub(crate) fn host_compilers(&self, target: &Target) -> impl Iterator<Item = &Compiler> {
        self.compilers.iter().filter(move |compiler| compiler.hosts && compiler.builds_for(target))
    }
}

/// Whether all that the compilers of `lab` name is there.
pub(super) fn check(lab: &Lab) -> Result<()> {
    let mut names = BTreeSet::new();
    for compiler in &lab.compilers {
        let name = &compiler.name;
        if !names.insert(name) {
            bail!("compiler {name:?} is named twice; give one of them another name");
        }
        if compiler.hosts && compiler.language != Language::Rust {
            bail!("compiler {name:?} builds hosts, which are written in Rust; drop `hosts`");
        }
        for without in &compiler.without {
            if !lab.targets.iter().any(|target| expect::matches(&without.targets, &target.triple)) {
                bail!("compiler {name:?} is without {:?}, which is no target", without.targets);
            }
        }
        for compiled in compiler.compiled(lab)? {
            match compiler.language {
                Language::Rust => compiled.package()?,
                Language::C => compiled.source()?,
            };
        }
    }
    Ok(())
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Debug => "debug",
            Profile::Release => "release",
        })
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Panic::Unwind => "unwind",
            Panic::Abort => "abort",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        Lab::read(&crate::paths::repository().unwrap()).unwrap()
    }

    #[test]
    fn every_compiler_builds_every_profile_for_the_targets_it_has() {
        let lab = lab();
        let gnu = lab.targets.iter().find(|target| target.triple == "x86_64-unknown-linux-gnu").unwrap();
        let names: Vec<String> = lab.compiled_for(gnu).unwrap().iter().map(Compiled::name).collect();
        let of = |compiler: &str| names.iter().filter(|name| name.contains(compiler)).count();
        assert_eq!([of("-rustc-1.63-"), of("-rustc-1.85-"), of("-rustc-1.96-")], [6, 6, 6], "{names:?}");
        assert_eq!([of("-gcc-14-"), of("-clang-19-")], [2, 2], "{names:?}");
        assert!(names.contains(&"ip-rustc-1.63-debug-abort".to_owned()), "{names:?}");
        assert!(names.contains(&"hello-c-clang-19-release".to_owned()), "{names:?}");
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        let hosts: Vec<&str> = lab.host_compilers(gnu).map(|one| one.name.as_str()).collect();
        assert_eq!(hosts, ["rustc-1.85", "rustc-1.96"]);
    }

    #[test]
    fn a_panic_that_nothing_catches_is_refused_or_allowed_and_then_ends_the_host() {
        let lab = lab();
        let all = lab.compiled_for(&lab.targets[0]).unwrap();
        let loads = |name: &str| {
            let compiled = all.iter().find(|compiled| compiled.name() == name).unwrap();
            let in_words = |load: Load| {
                (load.allow_abort, load.expect.predicted.in_a_word().to_owned(), load.expect.alone)
            };
            compiled.loads().into_iter().map(in_words).collect::<Vec<_>>()
        };
        let works = || "works".to_owned();
        assert_eq!(loads("ip-rustc-1.96-debug-unwind"), [(false, works(), Outcome::Works)]);
        assert_eq!(loads("hello-c-gcc-14-debug"), [(false, works(), Outcome::Works)]);
        assert_eq!(
            loads("ip-rustc-1.63-release-abort"),
            [(false, "panic.abort".to_owned(), Outcome::Works), (true, works(), Outcome::Works)]
        );
        assert_eq!(loads("panic-in-create-rustc-1.85-release-unwind"), [(false, works(), Outcome::Failed)]);
        assert_eq!(loads("panic-in-create-rustc-1.85-release-abort"), [(true, works(), Outcome::Crashed)]);
    }

    #[test]
    fn contradictions_are_named() {
        let base = std::fs::read_to_string(crate::paths::repository().unwrap().join("lab.toml")).unwrap();
        let refusal = |addition: &str| {
            format!("{:#}", Lab::parse(&format!("{base}\n[[compiler]]\n{addition}\n")).unwrap_err())
        };
        let cases = [
            ("name = \"rustc-1.85\"\nlanguage = \"rust\"", "compiler \"rustc-1.85\" is named twice"),
            ("name = \"a\"\nlanguage = \"c\"\nhosts = true", "hosts, which are written in Rust"),
            (
                "name = \"a\"\nlanguage = \"c\"\nwithout = [{ targets = \"riscv*\", because = \"\" }]",
                "is without \"riscv*\", which is no target",
            ),
            ("name = \"a\"\nlanguage = \"go\"", "language"),
        ];
        for (addition, sentence) in cases {
            let error = refusal(addition);
            assert!(error.contains(sentence), "{addition}: {error}");
        }
        let error =
            format!("{:#}", Lab::parse(&base.replace("c = \"hello-c\"", "c = \"hello\"")).unwrap_err());
        assert!(error.contains("[compilers] names \"hello\", which is no [[artifact]]"), "{error}");
        let error = format!("{:#}", Lab::parse(&base.replace("c = \"hello-c\"", "c = \"ip\"")).unwrap_err());
        assert!(error.contains("artifact \"ip\" is no source in C"), "{error}");
    }
}
