//! Where samples are taken: built programs, images of peers, cores, and the job of one sample.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench_driver::{Load, Order, Outcome};

use super::environment::Environment;
use super::lab_copy::LabCopy;
use super::machine;
use crate::build::{self, Manifest, Workshop};
use crate::engine::{self, Engine, Exit, Finished, Job, Mount};
use crate::flags::BenchFlags;
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Lab, Target};
use crate::process;

/// The image that samples are taken in.
const TOOLS: &str = "bench-tools";
/// The program that takes them.
const DRIVER: &str = "bench-driver";
/// Where `dist/` lies there.
pub(crate) const DIST: &str = "/dist";
/// Where images of peers lie there.
const PEERS: &str = "/peers";
/// Where what suites prepare lies there.
const PREPARED: &str = "/prepared";
/// For a sample beside the time that its load takes: start and end of the server, and of the sandbox.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that suites need.
pub(crate) struct Bed<'a> {
    ground: &'a Ground,
    engine: Box<dyn Engine>,
    tools: Image,
    peers: BTreeMap<String, Image>,
    /// What else took part, as suites found that they need it.
    others: RefCell<Vec<Image>>,
    /// What suites prepare, on a disk; gone with the bed.
    prepared: tempfile::TempDir,
    /// What is built for [`Bed::target`].
    manifest: Manifest,
    /// What is built for [`Bed::driver_target`].
    native: Manifest,
    /// The target of all programs of this repository that are measured.
    pub(crate) target: Target,
    /// That of the driver, which is the same in all runs: this machine's own, with glibc.
    driver_target: String,
    /// The cores of servers.
    pub(crate) server_cores: Vec<usize>,
    /// The cores of what loads them.
    pub(crate) generator_cores: Vec<usize>,
    /// How many rounds there are.
    pub(crate) rounds: u32,
    /// Whether it only has to run.
    pub(crate) quick: bool,
}

impl<'a> Bed<'a> {
    /// Builds programs and images.
    ///
    /// # Errors
    /// A target that is not this machine's own, and whatever keeps something from being built.
    pub(crate) fn make(ground: &'a Ground, flags: &BenchFlags, peers: &[&str]) -> Result<Bed<'a>> {
        let lab = Lab::read(&ground.repository)?;
        let arch = engine::native();
        let driver_target = arch.debian_target();
        let asked = flags.target.clone().unwrap_or_else(|| driver_target.clone());
        let target = lab.select_targets(std::slice::from_ref(&asked))?[0];
        if target.arch != arch {
            bail!(
                "{asked} would run emulated here, and what is emulated is never timed; run it on such a machine"
            );
        }
        let cores = machine::cores()?;
        let (server_cores, generator_cores) =
            machine::share(&cores, &flags.server_cores, &flags.generator_cores)?;

        let engine = ground.engine([])?;
        engine.check(arch)?;
        let toolchain = ground.image(build::TOOLCHAIN)?;
        let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
        let mut targets = lab.select_targets(std::slice::from_ref(&driver_target))?;
        if target.triple != driver_target {
            targets.push(target);
        }
        let dists = build::ensure(&lab, &targets, &workshop)?;
        let native = dists.first().context("nothing was built")?.manifest.clone();
        let manifest = dists.last().context("nothing was built")?.manifest.clone();
        let native_image = |name: &str| -> Result<Image> {
            let image = ground.image(name)?;
            ensure!(
                image.arch == arch,
                "{name} is made for {} and would run emulated here, on {arch}, and what is emulated is never timed; run it on such a machine",
                image.arch
            );
            Ok(image)
        };
        let tools = native_image(TOOLS)?;
        let mut images = BTreeMap::new();
        for &peer in peers {
            images.insert(peer.to_owned(), native_image(peer)?);
        }
        let scratch = scratch_of(ground);
        std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        let prepared = tempfile::Builder::new().prefix("prepared-").tempdir_in(&scratch);
        let prepared = prepared.with_context(|| format!("cannot make a folder in {}", scratch.display()))?;
        // Tables are published only where nobody else can write.
        std::fs::set_permissions(prepared.path(), std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open {} to others", prepared.path().display()))?;
        let target = target.clone();
        let rounds = flags.pairs.unwrap_or(if flags.quick { 1 } else { DEFAULT_ROUNDS });
        let quick = flags.quick;
        Ok(Bed {
            ground,
            engine,
            tools,
            peers: images,
            others: RefCell::default(),
            prepared,
            manifest,
            native,
            target,
            driver_target,
            server_cores,
            generator_cores,
            rounds,
            quick,
        })
    }

    /// Where a program of this repository lies in the image.
    pub(crate) fn program(&self, name: &str) -> Result<String> {
        let built = self
            .manifest
            .find(name)
            .with_context(|| format!("{name:?} is not built for {}", self.target.triple))?;
        Ok(format!("{DIST}/{}/{}", self.target.triple, built.file))
    }

    /// Where a file of a peer lies in the image.
    pub(crate) fn peer(&self, image: &str, file: &str) -> String {
        format!("{PEERS}/{image}/{file}")
    }

    /// Where something that suites prepare lies in the image; programs may write there.
    pub(crate) fn prepared(&self, name: &str) -> String {
        format!("{PREPARED}/{name}")
    }

    /// Prepares a file, and says where it lies in the image.
    pub(crate) fn prepare(&self, name: &str, text: &str) -> Result<String> {
        let file = self.prepared.path().join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(self.prepared(name))
    }

    /// Our module for the nginx of that version, built if it is not, and where it lies in the image. nginx of Debian has glibc, whatever the target is.
    pub(crate) fn nginx_module(&self, version: &str) -> Result<String> {
        for image in build::nginx::images(version, self.target.arch) {
            self.image(&image)?;
        }
        let built = build::nginx::ensure(self.ground, version, self.target.arch)?;
        let file = built.strip_prefix(self.ground.repository.join("dist")).context("a module is in dist/")?;
        Ok(format!("{DIST}/{}", file.display()))
    }

    /// Where a file lies in the image that only calls need: one of peers, or a handler that does nothing. It is built if it is not.
    pub(crate) fn stable_abi(&self, name: &str) -> Result<String> {
        let (manifest, below) = build::stable_abi::ensure(self.ground, &self.target)?;
        let built = manifest.find(name).with_context(|| format!("{name:?} is not built for calls"))?;
        Ok(format!("{DIST}/{}/{}", below.display(), built.file))
    }

    /// The version of a crate that peers among them are built with.
    pub(crate) fn stable_abi_version(&self, package: &str) -> Result<String> {
        build::stable_abi::locked_version(&self.ground.repository, package)
    }

    /// Where a plugin of that target lies that nginx loads: one for glibc, whatever the target of the run is.
    pub(crate) fn plugin_for_nginx(&self, name: &str) -> Result<String> {
        let built = self
            .native
            .find(name)
            .with_context(|| format!("{name:?} is not built for {}", self.driver_target))?;
        Ok(format!("{DIST}/{}/{}", self.driver_target, built.file))
    }

    /// An image that takes part beside those of peers, made if it is not there.
    pub(crate) fn image(&self, name: &str) -> Result<Image> {
        let image = self.ground.image(name)?;
        self.others.borrow_mut().push(image.clone());
        Ok(image)
    }

    /// The digest of a peer's image.
    pub(crate) fn peer_digest(&self, image: &str) -> Option<String> {
        self.peers.get(image).map(|image| image.digest.clone())
    }

    /// Takes one sample of a server.
    ///
    /// # Errors
    /// The server does not start, answers wrongly or does not end. One that fails under load is an outcome.
    pub(crate) fn take(&self, order: &Order) -> Result<Outcome> {
        let stdin = serde_json::to_vec(order).context("cannot encode an order")?;
        let deadline = PATIENCE + duration(&order.load);
        let finished = self
            .in_tools(&[self.driver()], &BTreeMap::new(), stdin, deadline)
            .with_context(|| format!("taking a sample of `{}`", order.server.argv.join(" ")))?;
        serde_json::from_slice(&finished.stdout).context("bench-driver printed no outcome")
    }

    /// Runs a program on the cores of servers, to its end.
    ///
    /// # Errors
    /// It ends with anything but 0.
    pub(crate) fn run(&self, argv: &[String], env: &BTreeMap<String, String>) -> Result<Finished> {
        let cores: Vec<String> = self.server_cores.iter().map(usize::to_string).collect();
        let kept = [self.driver(), "on".to_owned(), cores.join(",")];
        self.in_tools(&[&kept, argv].concat(), env, Vec::new(), PATIENCE)
    }

    fn driver(&self) -> String {
        format!("{DIST}/{}/bin/{DRIVER}", self.driver_target)
    }

    fn in_tools(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        stdin: Vec<u8>,
        deadline: Duration,
    ) -> Result<Finished> {
        let mut mounts = vec![Mount::read_only(self.ground.repository.join("dist"), DIST)];
        let peers = self.peers.iter();
        mounts.extend(peers.map(|(name, image)| Mount::read_only(&image.rootfs, format!("{PEERS}/{name}"))));
        mounts.push(Mount::writable(self.prepared.path(), PREPARED));
        let common = [("LC_ALL".to_owned(), "C".into()), ("PATH".to_owned(), "/usr/bin:/bin".into())];
        let own = env.iter().map(|(name, value)| (name.clone(), value.into()));
        let finished = self.engine.run(&Job {
            env: common.into_iter().chain(own).collect(),
            mounts,
            stdin,
            deadline,
            ..Job::new(&self.tools, argv)
        })?;
        match finished.exit {
            Exit::Code(0) => Ok(finished),
            exit => bail!(
                "`{}` ended with {exit}:\n{}",
                argv.join(" "),
                process::tail(&finished.stdout, &finished.stderr)
            ),
        }
    }

    /// The repository and the cache, for what is not a job in an image.
    pub(crate) fn ground(&self) -> &Ground {
        self.ground
    }

    /// A folder on a disk, whose content nobody misses.
    pub(crate) fn scratch(&self) -> PathBuf {
        scratch_of(self.ground)
    }

    /// Has `copy` begin with those artifacts of the target that are built here.
    pub(crate) fn give_to(&self, copy: &LabCopy, names: &[&str]) -> Result<()> {
        copy.adopt(&self.manifest, &self.ground.repository.join("dist"), names)
    }

    /// Progress of `total` samples, with the time that is left.
    pub(crate) fn progress(&self, total: u64, what: &str) -> indicatif::ProgressBar {
        self.ground.progress.long_bar(total, what)
    }

    /// Records every image that has taken part up to now.
    pub(crate) fn record_images(&self, environment: &mut Environment) {
        let others = self.others.borrow();
        let used = || self.peers.values().chain([&self.tools]).chain(others.iter());
        environment.pinned = used().all(|image| image.pinned);
        environment.images = used().map(|image| (image.name.clone(), image.digest.clone())).collect();
        environment.images.insert(build::TOOLCHAIN.to_owned(), self.manifest.image_digest.clone());
    }

    /// What is recorded beside the samples; images are by [`Bed::record_images`].
    pub(crate) fn environment(&self, flags: &BenchFlags) -> Result<Environment> {
        let cpu = machine::cpu();
        let cores = machine::cores()?.len();
        let machine = flags.machine.clone().unwrap_or_else(|| super::environment::machine_name(&cpu, cores));
        let allocator = if self.target.triple.ends_with("musl") { "musl's malloc" } else { "glibc's malloc" };
        Ok(Environment {
            date: machine::today(),
            machine,
            target: self.target.triple.clone(),
            arguments: flags.words(),
            revision: machine::revision(&self.ground.repository)?,
            cpu,
            cores,
            server_cores: self.server_cores.clone(),
            generator_cores: self.generator_cores.clone(),
            kernel: machine::kernel(),
            governor: machine::governor(),
            allocator: format!("{allocator}, of the image {TOOLS}"),
            engine: self.engine.name().to_owned(),
            memory_bytes: machine::memory_bytes(),
            load_at_start: machine::load(),
            pinned: false,
            images: BTreeMap::new(),
            quick: self.quick,
        })
    }
}

fn scratch_of(ground: &Ground) -> PathBuf {
    ground.repository.join("target").join("bench")
}

/// Six are the fewest that have an interval, and it then reaches from the smallest to the largest ratio: one disturbed round widens it. Of ten, one on either
/// side does not. A round of all suites takes minutes, so more are for who looks for a difference of a per cent in one suite.
const DEFAULT_ROUNDS: u32 = 10;

fn duration(load: &Load) -> Duration {
    match load {
        Load::Saturate(load) => Duration::from_secs((load.warm_up_seconds + load.seconds).into()),
        Load::ConstantRate(load) => Duration::from_secs_f64(load.warm_up_seconds + load.seconds),
        Load::Once(load) => Duration::from_secs_f64(load.patience_seconds) * (load.before + 1),
        // No Redis is slower than that by far.
        Load::RedisBenchmark(load) => {
            Duration::from_secs((load.requests + load.warm_up_requests) as u64 / 1000)
        }
    }
}
