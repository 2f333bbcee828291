//! `lab.toml`, the one source of the matrix: targets, host images, programs, artifacts and what is expected of each pair.

mod artifact;
mod compiler;
mod expect;
mod nginx;
mod platform;
mod scenario;
mod shipment;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

pub(crate) use self::artifact::{Artifact, CCompiler, CSource, Recipe};
pub(crate) use self::compiler::{Compiled, Compiler, Language, Load, Panic, Profile, Specimens};
pub(crate) use self::expect::{Expectation, Meeting, Outcome, Prediction};
pub(crate) use self::nginx::{CModule, Module, ModuleRecipe, Nginx};
pub(crate) use self::platform::{Arch, Host, Libc, Target};
pub(crate) use self::scenario::{Ask, Scenario, Then, client_folder, plugin_folder};
pub(crate) use self::shipment::Shipment;

/// The parsed and checked `lab.toml`.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Every target that artifacts are built for, in the order of the file.
    pub(crate) targets: Vec<Target>,
    /// Every host image: suites x arches x libcs, in that order.
    pub(crate) hosts: Vec<Host>,
    /// Programs built for every target beside the plugins.
    pub(crate) programs: Vec<Program>,
    /// Plugins and fixtures, in the order of the file.
    pub(crate) artifacts: Vec<Artifact>,
    /// What every compiler builds, if there are compilers.
    specimens: Option<Specimens>,
    /// Compilers that build the same plugins, in the order of the file.
    pub(crate) compilers: Vec<Compiler>,
    /// Servers that are started in every host, in the order of the file.
    pub(crate) scenarios: Vec<Scenario>,
    /// Every nginx that modules are loaded into: versions x arches, in that order.
    pub(crate) nginxes: Vec<Nginx>,
    /// Modules for nginx, in the order of the file.
    pub(crate) modules: Vec<Module>,
    /// What of all that archives of a release hold.
    pub(crate) shipment: Shipment,
    foreign: Foreign,
    nginx: nginx::NginxEntry,
}

/// A program of the workspace that is shipped for every target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    /// The name of the binary.
    pub(crate) name: String,
    /// The package that has it.
    pub(crate) package: String,
}

/// The codes with which a host refuses a plugin that was built for another platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    arch: String,
    libc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    foreign: Foreign,
    target: Vec<platform::TargetEntry>,
    hosts: platform::HostsEntry,
    program: Vec<Program>,
    artifact: Vec<Artifact>,
    compilers: Option<Specimens>,
    #[serde(default)]
    compiler: Vec<Compiler>,
    scenario: Vec<Scenario>,
    nginx: nginx::NginxEntry,
    module: Vec<Module>,
    #[serde(default)]
    dist: Shipment,
}

impl Lab {
    /// Reads `lab.toml` in `repository`.
    ///
    /// # Errors
    /// Names the line, or the entry that contradicts another.
    pub(crate) fn read(repository: &Path) -> Result<Lab> {
        let path = repository.join("lab.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Lab::parse(&text).context("lab.toml")
    }

    fn parse(text: &str) -> Result<Lab> {
        let file: File = toml::from_str(text)?;
        let targets = file.target.into_iter().map(Target::try_from).collect::<Result<Vec<_>>>()?;
        let lab = Lab {
            targets,
            hosts: file.hosts.expand(),
            programs: file.program,
            artifacts: file.artifact,
            specimens: file.compilers,
            compilers: file.compiler,
            scenarios: file.scenario,
            nginxes: file.nginx.expand(),
            modules: file.module,
            shipment: file.dist,
            nginx: file.nginx,
            foreign: file.foreign,
        };
        lab.check()?;
        Ok(lab)
    }

    /// What is expected when `artifact`, built for `target`, is loaded in `host`.
    pub(crate) fn expectation(&self, artifact: &Artifact, target: &Target, host: &Host) -> Expectation {
        let meeting = host.meets(target);
        if let Some(special) = artifact.on.iter().find(|special| special.covers(meeting, &host.name)) {
            return special.expect.clone();
        }
        match meeting {
            Meeting::Arch if !artifact.everywhere => Expectation::refused(&self.foreign.arch),
            Meeting::Libc if !artifact.everywhere => Expectation::refused(&self.foreign.libc),
            _ => artifact.expect.clone(),
        }
    }

    /// The targets that `artifact` is built for.
    pub(crate) fn targets_of<'a>(&'a self, artifact: &'a Artifact) -> impl Iterator<Item = &'a Target> {
        self.targets.iter().filter(move |target| artifact.is_built_for(target))
    }

    /// What is expected when nginx is told to load `module`, built for `built_for`, and is `host`.
    pub(crate) fn module_expectation(&self, module: &Module, built_for: &Nginx, host: &Nginx) -> Expectation {
        self.nginx.expectation(module, built_for, host)
    }

    /// The hosts named in `wanted`, or all of them when it is empty: images and nginxes. In a name `*` stands for any characters.
    ///
    /// # Errors
    /// A name or pattern that is nobody's, with the names there are.
    pub(crate) fn select_hosts(&self, wanted: &[String]) -> Result<(Vec<&Host>, Vec<&Nginx>)> {
        let names =
            || self.hosts.iter().map(|host| &host.name).chain(self.nginxes.iter().map(|nginx| &nginx.name));
        known("host", wanted, names)?;
        let is_wanted =
            |name: &String| wanted.is_empty() || wanted.iter().any(|glob| expect::matches(glob, name));
        Ok((
            self.hosts.iter().filter(|host| is_wanted(&host.name)).collect(),
            self.nginxes.iter().filter(|nginx| is_wanted(&nginx.name)).collect(),
        ))
    }

    /// The targets named in `wanted`, or all of them when it is empty. In a triple `*` stands for any characters.
    ///
    /// # Errors
    /// A triple or pattern that is nobody's, with the triples there are.
    pub(crate) fn select_targets(&self, wanted: &[String]) -> Result<Vec<&Target>> {
        known("target", wanted, || self.targets.iter().map(|target| &target.triple))?;
        Ok(self
            .targets
            .iter()
            .filter(|target| {
                wanted.is_empty() || wanted.iter().any(|glob| expect::matches(glob, &target.triple))
            })
            .collect())
    }

    /// Every nginx of a version, in which `*` stands for any characters, and of an architecture; of all, where none is given.
    ///
    /// # Errors
    /// A version that no nginx has, with those there are.
    pub(crate) fn select_nginxes(&self, version: Option<&str>, arch: Option<Arch>) -> Result<Vec<&Nginx>> {
        let wanted: Vec<String> = version.map(str::to_owned).into_iter().collect();
        known("nginx", &wanted, || self.nginx.versions().iter())?;
        let of_version = |nginx: &Nginx| version.is_none_or(|glob| expect::matches(glob, &nginx.version));
        let of_arch = |nginx: &Nginx| arch.is_none_or(|arch| nginx.arch == arch);
        Ok(self.nginxes.iter().filter(|nginx| of_version(nginx) && of_arch(nginx)).collect())
    }

    /// The newest nginx of an architecture.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn newest_nginx(&self, arch: Arch) -> Result<&Nginx> {
        let all = self.nginxes.iter().filter(|nginx| nginx.arch == arch);
        all.max_by_key(|nginx| nginx.version_numbers())
            .with_context(|| format!("lab.toml has no nginx for {arch}; add one to [nginx]"))
    }

    fn check(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for program in &self.programs {
            if !names.insert(program.name.as_str()) {
                bail!("program {:?} is named twice; leave one of them out", program.name);
            }
        }
        let mut names = BTreeSet::new();
        for artifact in &self.artifacts {
            if !names.insert(artifact.name.as_str()) {
                bail!("artifact {:?} is named twice; give one of them another name", artifact.name);
            }
            if let Recipe::Cut(cut) = artifact.recipe()?
                && !names.contains(cut.of.as_str())
            {
                bail!(
                    "artifact {:?} is cut from {:?}, which does not stand before it; move or add that artifact",
                    artifact.name,
                    cut.of
                );
            }
            artifact.settings()?;
            if self.targets_of(artifact).next().is_none() {
                bail!("artifact {:?} is built for no target; mend its `targets`", artifact.name);
            }
            for special in &artifact.on {
                let covers = |host: &Host| {
                    self.targets_of(artifact).any(|target| special.covers(host.meets(target), &host.name))
                };
                if !self.hosts.iter().any(covers) {
                    bail!(
                        "artifact {:?} expects something of {:?}, which matches no host",
                        artifact.name,
                        special.hosts
                    );
                }
            }
        }
        let mut names = BTreeSet::new();
        for scenario in &self.scenarios {
            if !names.insert(scenario.name.as_str()) {
                bail!("scenario {:?} is named twice; give one of them another name", scenario.name);
            }
            scenario.check(self)?;
        }
        compiler::check(self)?;
        nginx::check(self)?;
        self.shipment.check(self)
    }
}

/// # Errors
/// If one of `wanted` is not among `names`.
fn known<'a, N: Iterator<Item = &'a String>>(
    what: &str,
    wanted: &[String],
    names: impl Fn() -> N,
) -> Result<()> {
    let Some(unknown) = wanted.iter().find(|wanted| !names().any(|name| expect::matches(wanted, name)))
    else {
        return Ok(());
    };
    let names: Vec<&str> = names().map(String::as_str).collect();
    bail!("unknown {what} {unknown:?}; lab.toml has: {}", names.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        Lab::read(&crate::paths::repository().unwrap()).unwrap()
    }

    #[test]
    fn twelve_hosts_and_four_targets() {
        let lab = lab();
        assert_eq!(lab.hosts.len(), 12);
        assert_eq!(lab.targets.len(), 4);
        assert_eq!(lab.hosts[0].name, "bullseye-x86_64-gnu");
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let lab = lab();
        let error = lab.select_hosts(&["buster-x86_64-gnu".into()]).unwrap_err().to_string();
        assert!(error.contains("unknown host \"buster-x86_64-gnu\""), "{error}");
        assert!(error.contains("trixie-aarch64-musl") && error.contains("nginx-1.22-x86_64"), "{error}");
        assert!(lab.select_targets(&["riscv64gc-unknown-linux-gnu".into()]).is_err());
    }

    #[test]
    fn hosts_and_targets_are_selected_by_pattern() {
        let lab = lab();
        let (hosts, nginxes) = lab.select_hosts(&["*aarch64*".into()]).unwrap();
        assert_eq!((hosts.len(), nginxes.len()), (6, 2));
        assert!(lab.select_hosts(&["*-riscv64-*".into()]).is_err());
        let targets = lab.select_targets(&["*-musl".into(), "x86_64-*-gnu".into()]).unwrap();
        assert_eq!(targets.len(), 3);
    }

    #[test]
    fn foreign_platforms_are_refused_by_the_common_rule() {
        let lab = lab();
        let ip = &lab.artifacts[0];
        let target = &lab.targets[0];
        let code = |host: &str| {
            let host = lab.hosts.iter().find(|one| one.name == host).unwrap();
            lab.expectation(ip, target, host)
        };
        assert_eq!(code("trixie-x86_64-gnu"), Expectation::works());
        assert_eq!(code("trixie-aarch64-gnu"), Expectation::refused("elf.machine"));
        assert_eq!(code("trixie-x86_64-musl"), Expectation::refused("libc.family"));
    }

    #[test]
    fn modules_are_refused_by_another_nginx_by_the_common_rule() {
        let lab = lab();
        let (hosts, nginxes) = lab.select_hosts(&["nginx-1.26-x86_64".into()]).unwrap();
        assert_eq!((hosts.len(), nginxes.len(), lab.nginxes.len()), (0, 1, 4));
        let of = |module: &str, built_for: &str| {
            let module = lab.modules.iter().find(|one| one.name == module).unwrap();
            let built_for = lab.nginxes.iter().find(|one| one.name == built_for).unwrap();
            lab.module_expectation(module, built_for, nginxes[0])
        };
        assert_eq!(of("set-backend", "nginx-1.26-x86_64"), Expectation::works());
        assert_eq!(of("set-backend", "nginx-1.22-x86_64"), Expectation::refused("nginx.version"));
        assert_eq!(of("set-backend", "nginx-1.26-aarch64"), Expectation::refused("elf.machine"));
        // What is no module knows no version.
        assert_eq!(of("ip", "nginx-1.22-x86_64"), Expectation::refused("nginx.no-modules"));
        assert_eq!(of("absent-symbol", "nginx-1.22-x86_64"), Expectation::refused("nginx.symbol"));
    }

    #[test]
    fn nginxes_are_selected_by_version_and_architecture() {
        let text = fs::read_to_string(crate::paths::repository().unwrap().join("lab.toml")).unwrap();
        // Newer than 1.26, though it does not sort behind it.
        let lab =
            Lab::parse(&text.replace("versions = [\"1.22\", ", "versions = [\"1.100\", \"1.22\", ")).unwrap();
        let names = |version, arch| -> Vec<&str> {
            lab.select_nginxes(version, arch).unwrap().iter().map(|nginx| nginx.name.as_str()).collect()
        };
        assert_eq!(names(None, None).len(), 6);
        assert_eq!(names(Some("1.22"), None), ["nginx-1.22-x86_64", "nginx-1.22-aarch64"]);
        assert_eq!(names(Some("1.2*"), Some(Arch::Aarch64)), ["nginx-1.22-aarch64", "nginx-1.26-aarch64"]);
        assert_eq!(lab.newest_nginx(Arch::X86_64).unwrap().name, "nginx-1.100-x86_64");
        let error = lab.select_nginxes(Some("1.18"), None).unwrap_err().to_string();
        assert_eq!(error, "unknown nginx \"1.18\"; lab.toml has: 1.100, 1.22, 1.26");
    }

    #[test]
    fn a_scenario_may_expect_something_else_of_some_hosts() {
        let base = fs::read_to_string(crate::paths::repository().unwrap().join("lab.toml")).unwrap();
        let scenario = "[[scenario]]\nname = \"a\"\nshows = \"\"\nclient = \"server-e2e\"\nserver = \"dyn-server\"\nasks = [{ path = \"/ip\", answers = \"ip\" }]\non = [{ hosts = \"trixie-*\", expect = { alone = \"crashed\" } }]\n";
        let lab = Lab::parse(&format!("{base}\n{scenario}")).unwrap();
        let scenario = lab.scenarios.last().unwrap();
        let of = |name: &str| {
            scenario.expectation(lab.hosts.iter().find(|host| host.name == name).unwrap()).by_the_host()
        };
        assert_eq!(of("trixie-aarch64-musl"), Outcome::Crashed);
        assert_eq!(of("bullseye-x86_64-gnu"), Outcome::Works);
    }

    #[test]
    fn contradictions_are_named() {
        let base = fs::read_to_string(crate::paths::repository().unwrap().join("lab.toml")).unwrap();
        const SCENARIO: &str = "[[scenario]]\nname = \"dyn-server-ip\"\nshows = \"\"\nclient = \"server-e2e\"\nserver = \"dyn-server\"\nasks = [{ path = \"/ip\", answers = \"ip\" }]\n";
        let scenario = |line: &str| format!("{}{line}", SCENARIO.replace("dyn-server-ip", "a"));
        let cases = [
            ("[[artifact]]\nname = \"ip\"\nkind = \"handler\"\ncargo = \"x\"", "named twice"),
            (
                "[[program]]\nname = \"p\"\npackage = \"x\"\n[[program]]\nname = \"p\"\npackage = \"x\"",
                "program \"p\" is named twice",
            ),
            (
                "[[artifact]]\nname = \"a\"\nkind = \"handler\"\ncut = { of = \"b\", keep = \"50%\" }",
                "does not stand before it",
            ),
            ("[[artifact]]\nname = \"a\"\nkind = \"handler\"", "exactly one of"),
            (
                "[[artifact]]\nname = \"a\"\nkind = \"handler\"\ncargo = \"x\"\nsettings = 3",
                "neither a text nor a table",
            ),
            (
                "[[artifact]]\nname = \"a\"\nkind = \"handler\"\ncargo = \"x\"\ntargets = [\"riscv*\"]",
                "built for no target",
            ),
            (
                "[[artifact]]\nname = \"a\"\nkind = \"handler\"\ncargo = \"x\"\non = [{ hosts = \"buster-*\", expect = \"works\" }]",
                "matches no host",
            ),
            (SCENARIO, "named twice"),
            (
                "[[scenario]]\nname = \"a\"\nshows = \"\"\nclient = \"server-e2e\"\nserver = \"nginx\"\nasks = []",
                "no [[program]]",
            ),
            (&scenario("plugins = [\"cgi\"]"), "no [[artifact]]"),
            (&scenario("beside = [\"memory\"]"), "or a cache or resolvers that nothing lies beside"),
            (
                &scenario("").replace("asks = [{ path = \"/ip\", answers = \"ip\" }]", "asks = []"),
                "asks nothing",
            ),
            (&scenario("plugins = [\"static-executable\"]"), "a showcase; a server has handlers"),
            (&scenario("plugins = [\"glibc-2.38\"]"), "not built for x86_64-unknown-linux-musl"),
            (&scenario("everything = true\nplugins = [\"ip\"]"), "drop `plugins` and `beside`"),
            (&scenario("on = [{ hosts = \"buster-*\", expect = \"works\" }]"), "which is no host's name"),
            (&scenario("expect = { refused = \"abi.major\", alone = \"works\" }"), "nothing that it refuses"),
            ("[[module]]\nname = \"ip\"\nartifact = \"ip\"", "named twice"),
            ("[[module]]\nname = \"a\"", "exactly one of"),
            ("[[module]]\nname = \"a\"\ncut = { of = \"b\", keep = \"1\" }", "does not stand before it"),
            ("[[module]]\nname = \"a\"\nartifact = \"b\"", "is no [[artifact]]"),
            ("[[module]]\nname = \"a\"\nartifact = \"hello-gcc\"", "is no [[artifact]]"),
            (
                "[[module]]\nname = \"a\"\nartifact = \"ip\"\non = [{ hosts = \"nginx-0.*\", expect = \"works\" }]",
                "no nginx's name",
            ),
        ];
        for (addition, sentence) in cases {
            let error = format!("{:#}", Lab::parse(&format!("{base}\n{addition}\n")).unwrap_err());
            assert!(error.contains(sentence), "{addition}: {error}");
        }
    }
}
