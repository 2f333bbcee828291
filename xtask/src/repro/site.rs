//! The place of one build: a repository, a cache, a home and a folder for temporary files, and the circumstances in which commands run there.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;

use super::circumstances::{Circumstances, FileSystem, Folders, Means, Namespaces, User};
use super::stage::Order;
use crate::engine::{self, EngineChoice};
use crate::error::Stop;
use crate::ground::Ground;
use crate::process;
use crate::{images, worktree};

/// What of a cache builds share: all of it is named by a digest, and what is downloaded is checked by that.
const SHARED: [&str; 3] = ["blobs", "crates", "images"];
/// Where a build sees the Rust toolchain that runs this, as its user may not enter the folder where that lies.
const RUST: &str = "rust";
/// Variables that say how this machine reaches others, or which toolchain is meant.
const KEPT: [&str; 12] = [
    "PATH",
    "DYNLAB_MIRROR",
    "DYNLAB_SNAPSHOT_MIRROR",
    "DOCKER_HOST",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// The place of one build.
pub(super) struct Site {
    /// `first` or `second`.
    pub(super) name: &'static str,
    /// As commands find them there.
    pub(super) circumstances: Circumstances,
    /// Whether it is the clone that this was started in.
    pub(super) is_own: bool,
    /// Global options of every command.
    options: Vec<OsString>,
    /// What enters the circumstances, where they are not those of this process.
    stage: Option<Order>,
    folder: Option<Scratch>,
}

/// Makes what is shared of a cache, as far as it is not there.
pub(super) fn make_shared(cache: &Path) -> Result<()> {
    SHARED.iter().try_for_each(|name| make_folder(&cache.join(name)))
}

/// The clone itself, as it is.
pub(super) fn own(ground: &Ground) -> Result<Site> {
    Ok(Site {
        name: "first",
        circumstances: Circumstances::present(&ground.repository, &ground.cache)?,
        is_own: true,
        options: options(ground),
        stage: None,
        folder: None,
    })
}

/// A copy of the repository with a cache of its own below `scratch`, in which everything is made anew but what `known` names: digests of
/// images that are taken from this machine's cache.
pub(super) fn copy(ground: &Ground, scratch: &Path, keep: bool, known: &BTreeSet<String>) -> Result<Site> {
    let folder = Scratch::make(scratch, "one", keep)?;
    lay_out(ground, &folder, None)?;
    share(&folder, known, |name| ground.cache.join(name), Namespaces::None)?;
    Ok(Site {
        name: "first",
        circumstances: Circumstances::present(&folder.repository(), &folder.cache())?,
        is_own: false,
        options: options(ground),
        stage: None,
        folder: Some(folder),
    })
}

/// The same in circumstances that are as different from those of `first` as this machine allows.
pub(super) fn elsewhere(
    ground: &Ground,
    scratch: &Path,
    keep: bool,
    known: &BTreeSet<String>,
    first: &Circumstances,
) -> Result<(Site, Means)> {
    let folder = Scratch::make(scratch, "another-folder-with-a-longer-name", keep)?;
    let program = folder.path.join("xtask");
    let this = env::current_exe().context("cannot name this program")?;
    fs::copy(&this, &program).with_context(|| format!("cannot copy {}", this.display()))?;
    set_mode(&program, 0o755)?;
    for shown in SHARED.iter().chain([&RUST]) {
        make_folder(&folder.shown().join(shown))?;
    }
    let folders = Folders {
        repository: folder.repository(),
        file_system: FileSystem::of(&folder.path)?.kind,
        cache: folder.cache(),
        home: folder.path.join("home"),
        temporary: folder.path.join("tmp"),
    };
    make_folder(&folders.repository)?;
    let toolchain = toolchain(ground)?;
    let order = |means: &Means| {
        order(ground, &folder, first.others(folders.clone(), means), means, toolchain.as_deref())
    };
    let means = means(ground.choice, first.user.uid == 0, &|means| rehearse(&order(means)?))?;
    let order = order(&means)?;
    lay_out(ground, &folder, Some(&order.circumstances))?;
    share(&folder, known, |name| ground.cache.join(name), means.namespaces)?;
    if means.other_user && means.namespaces == Namespaces::Plain {
        give(&folder.path, &order.circumstances.user, &folder.shown())?;
    }
    let site = Site {
        name: "second",
        circumstances: order.circumstances.clone(),
        is_own: false,
        options: options(ground),
        stage: Some(order),
        folder: Some(folder),
    };
    Ok((site, means))
}

impl Site {
    /// The root of its repository.
    pub(super) fn repository(&self) -> &Path {
        &self.circumstances.folders.repository
    }

    /// A cache, as this build sees it, with the images of this machine's.
    pub(super) fn beside(&self) -> PathBuf {
        self.folder.as_ref().map_or_else(|| self.circumstances.folders.cache.clone(), Scratch::shown)
    }

    /// Runs a command of this program there, to its end. What it prints goes to stderr.
    ///
    /// # Errors
    /// [`Stop::Disagreement`] where it found one; else the command line, and how it ended.
    pub(super) fn run(&self, words: &[String]) -> Result<()> {
        let line = format!("cargo xtask {}", words.join(" "));
        eprintln!("repro: {} build: {line}", self.name);
        let arguments = self.options.iter().cloned().chain(words.iter().map(OsString::from));
        let mut command = match &self.stage {
            Some(order) => Order { arguments: arguments.collect(), ..order.clone() }.command()?,
            None => {
                let mut command = Command::new(env::current_exe().context("cannot name this program")?);
                command.args(arguments).current_dir(self.repository());
                // As cargo would set it that runs that repository's.
                command.env("CARGO_MANIFEST_DIR", self.repository().join("xtask"));
                command.env("DYNLAB_CACHE", &self.circumstances.folders.cache);
                command
            }
        };
        let stderr = io::stderr().as_fd().try_clone_to_owned().context("cannot copy stderr")?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(stderr))
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let _guard = engine::kill_on_interrupt(&child);
        let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
        let place = self.repository().display();
        match status.code() {
            Some(0) => Ok(()),
            Some(1) => bail!(Stop::Disagreement(format!(
                "`{line}` found a difference in the {} build, in {place}; it stands above",
                self.name
            ))),
            _ => {
                bail!("`{line}` ended with {status} in the {} build, in {place}; why stands above", self.name)
            }
        }
    }
}

/// A folder that is gone when this is dropped.
struct Scratch {
    root: PathBuf,
    path: PathBuf,
    keep: bool,
    /// An interrupt waits until the folder is gone.
    _guard: engine::Guard,
}

impl Scratch {
    fn make(scratch: &Path, name: &str, keep: bool) -> Result<Scratch> {
        let root = tempfile::Builder::new().prefix("dynlab-repro-").tempdir_in(scratch);
        let root = root.with_context(|| format!("cannot make a folder in {}", scratch.display()))?.keep();
        let made = Scratch { path: root.join(name), root, keep, _guard: engine::on_interrupt(|| {}) };
        // Whoever builds there is not who made it.
        set_mode(&made.root, 0o755)?;
        make_folder(&made.path)?;
        set_mode(&made.path, 0o755)?;
        Ok(made)
    }

    fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// Parts of this machine's cache, as they are.
    fn shown(&self) -> PathBuf {
        self.path.join("shown")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("repro: {} is kept", self.path.display());
        } else if images::remove_tree(&self.root).is_err() && images::remove_tree(&self.root).is_err() {
            // What was killed may have written to it while it was being removed the first time.
            eprintln!("repro: {} could not be removed", self.root.display());
        }
    }
}

/// Copies the repository, and makes the folders that a build has beside it, with the modes that the umask in `circumstances` leaves.
fn lay_out(ground: &Ground, folder: &Scratch, circumstances: Option<&Circumstances>) -> Result<()> {
    let umask = circumstances.map_or(0, |circumstances| circumstances.umask);
    for name in ["home", "tmp"] {
        make_folder(&folder.path.join(name))?;
    }
    for name in SHARED {
        make_folder(&folder.cache().join(name))?;
    }
    let mut files = worktree::files(&ground.repository)?;
    // Some file systems list a folder in the order in which it was filled.
    files.sort_by(|one, other| other.cmp(one));
    for name in &files {
        let (from, to) = (ground.repository.join(name), folder.repository().join(name));
        make_folder(to.parent().context("a file lies in a folder")?)?;
        fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        let mode = to.metadata()?.permissions().mode();
        set_mode(&to, mode & !umask)?;
    }
    Ok(())
}

/// Shows the build what it shares with this machine's cache, which lies where `source` says: of images only those that are `known`.
fn share(
    folder: &Scratch,
    known: &BTreeSet<String>,
    source: impl Fn(&str) -> PathBuf,
    namespaces: Namespaces,
) -> Result<()> {
    for name in SHARED {
        let shown = folder.shown().join(name);
        if namespaces == Namespaces::None {
            fs::remove_dir(&shown).ok();
            make_folder(&folder.shown())?;
            link(&source(name), &shown)?;
        }
        for entry in
            fs::read_dir(source(name)).with_context(|| format!("cannot list {}", source(name).display()))?
        {
            let entry = entry?.file_name();
            let digest = entry.to_string_lossy();
            let is_whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            // Each by itself: the folder is the build's own, so that nobody else's unfinished files are in it.
            if is_whole && (name != "images" || known.contains(&*digest)) {
                // Whoever builds may be somebody else, and what is downloaded by earlier versions was for its owner alone.
                let file = source(name).join(&entry);
                let mode = file.metadata()?.permissions().mode();
                if namespaces == Namespaces::Plain && mode & 0o044 != 0o044 {
                    set_mode(&file, mode | 0o044)?;
                }
                link(&shown.join(&entry), &folder.cache().join(name).join(&entry))?;
            }
        }
    }
    Ok(())
}

/// The most that this machine allows, of what `works`.
fn means(choice: EngineChoice, is_root: bool, works: &dyn Fn(&Means) -> Result<()>) -> Result<Means> {
    if choice != EngineChoice::Sandbox {
        let because = "a container engine has its own user and mounts";
        return Ok(Means { namespaces: Namespaces::None, other_user: false, because: because.to_owned() });
    }
    let namespaces = if is_root { Namespaces::Plain } else { Namespaces::OfUser };
    let mut because = String::new();
    for (namespaces, other_user) in
        [(namespaces, true), (Namespaces::Plain, false), (Namespaces::None, false)]
    {
        // An ordinary user may make none without being another user in them.
        if namespaces == Namespaces::Plain && !is_root {
            continue;
        }
        let means = Means { namespaces, other_user, because: because.clone() };
        match works(&means) {
            Ok(()) => return Ok(means),
            Err(error) if namespaces == Namespaces::None => return Err(error),
            Err(error) => because = format!("{error:#}"),
        }
    }
    bail!("no sandbox works here")
}

/// Whether a sandbox works where the order leads.
fn rehearse(order: &Order) -> Result<()> {
    process::run(&mut order.rehearsal().command()?).map(drop)
}

fn order(
    ground: &Ground,
    folder: &Scratch,
    circumstances: Circumstances,
    means: &Means,
    toolchain: Option<&Path>,
) -> Result<Order> {
    let mut shown = Vec::new();
    let mut cargo = toolchain.map(|root| root.join("bin/cargo"));
    if means.namespaces != Namespaces::None {
        shown.extend(SHARED.map(|name| (ground.cache.join(name), folder.shown().join(name))));
        if let Some(root) = toolchain.filter(|root| *root != Path::new("/usr")) {
            let target = folder.shown().join(RUST);
            cargo = Some(target.join("bin/cargo"));
            shown.push((root.to_owned(), target));
        }
    }
    let engine = ground.choice.to_possible_value().context("an engine has a name")?;
    let folders = &circumstances.folders;
    let mut env: Vec<(OsString, OsString)> =
        KEPT.iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?))).collect();
    let own: [(&str, OsString); 10] = [
        ("HOME", folders.home.clone().into()),
        ("CARGO_HOME", folders.home.join(".cargo").into()),
        ("CARGO_MANIFEST_DIR", folders.repository.join("xtask").into()),
        ("DYNLAB_CACHE", folders.cache.clone().into()),
        ("DYNLAB_ENGINE", engine.get_name().into()),
        ("LC_ALL", circumstances.locale.clone().into()),
        ("TMPDIR", folders.temporary.clone().into()),
        ("TZ", circumstances.time_zone.clone().into()),
        ("USER", circumstances.user.name.clone().into()),
        ("LOGNAME", circumstances.user.name.clone().into()),
    ];
    env.extend(own.map(|(name, value)| (name.into(), value)));
    env.extend(cargo.map(|cargo| ("CARGO".into(), cargo.into())));
    Ok(Order {
        circumstances,
        namespaces: means.namespaces,
        other_user: means.other_user,
        shown,
        program: folder.path.join("xtask"),
        arguments: Vec::new(),
        env,
    })
}

/// The folder of the Rust toolchain that runs this. What stands first on `PATH` may be rustup, which looks for toolchains in the home folder.
fn toolchain(ground: &Ground) -> Result<Option<PathBuf>> {
    let above = |program: &Path| Some(program.parent()?.parent()?.to_owned());
    if let Some(cargo) = env::var_os("CARGO").map(PathBuf::from).filter(|cargo| cargo.is_absolute()) {
        return Ok(above(&cargo));
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let printed = process::run(command.args(["--print", "sysroot"]).current_dir(&ground.repository))?;
    let root = PathBuf::from(String::from_utf8(printed).context("rustc's folder is no text")?.trim());
    Ok(root.join("bin/cargo").is_file().then_some(root))
}

fn options(ground: &Ground) -> Vec<OsString> {
    if ground.images.locked { vec!["--locked".into()] } else { Vec::new() }
}

/// Makes `user` the owner of everything at and below `path` but of what is below `except`.
fn give(path: &Path, user: &User, except: &Path) -> Result<()> {
    let give_one = |path: &Path| {
        lchown(path, Some(user.uid), Some(user.gid))
            .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
    };
    let mut waiting = vec![path.to_owned()];
    while let Some(here) = waiting.pop() {
        give_one(&here)?;
        if here != except && here.symlink_metadata()?.is_dir() {
            for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
                waiting.push(entry?.path());
            }
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn link(target: &Path, link: &Path) -> Result<()> {
    symlink(target, link).with_context(|| format!("cannot make {}", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_works_is_taken_and_the_rest_is_explained() {
        let try_with = |is_root: bool, works: &dyn Fn(&Means) -> bool| {
            let check = |means: &Means| {
                anyhow::ensure!(works(means), "not with {:?} and {}", means.namespaces, means.other_user);
                Ok(())
            };
            means(EngineChoice::Sandbox, is_root, &check)
        };
        let of = |means: Means| (means.namespaces, means.other_user);
        assert_eq!(of(try_with(true, &|_| true).unwrap()), (Namespaces::Plain, true));
        assert_eq!(of(try_with(false, &|_| true).unwrap()), (Namespaces::OfUser, true));
        let same_user = try_with(true, &|means| !means.other_user).unwrap();
        assert_eq!(same_user.because, "not with Plain and true");
        assert_eq!(of(same_user), (Namespaces::Plain, false));
        let none = try_with(false, &|means| means.namespaces == Namespaces::None).unwrap();
        assert_eq!(none.because, "not with OfUser and true");
        assert!(try_with(true, &|_| false).is_err());
        let docker = means(EngineChoice::Docker, true, &|_| bail!("never asked")).unwrap();
        assert_eq!(of(docker), (Namespaces::None, false));
    }

    #[test]
    fn of_a_cache_only_what_is_whole_is_shared_and_of_images_only_what_is_known() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = scratch.path().join("cache");
        let digest = |digit: &str| digit.repeat(64);
        for (name, entry) in [
            ("blobs", digest("a")),
            ("blobs", ".partial-x".into()),
            ("crates", digest("b")),
            ("crates", "vendor-x".into()),
            ("images", digest("c")),
            ("images", digest("d")),
            ("images", ".lock".into()),
        ] {
            make_folder(&cache.join(name).join(entry)).unwrap();
        }
        let folder = Scratch::make(scratch.path(), "site", false).unwrap();
        for name in SHARED {
            make_folder(&folder.cache().join(name)).unwrap();
        }
        share(&folder, &[digest("c")].into(), |name| cache.join(name), Namespaces::None).unwrap();
        let names = |name: &str| {
            let entries = fs::read_dir(folder.cache().join(name)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            (names("blobs"), names("crates"), names("images")),
            (vec![digest("a")], vec![digest("b")], vec![digest("c")])
        );
        assert!(folder.cache().join("images").join(digest("c")).is_dir(), "it leads to this machine's");
        let root = folder.root.clone();
        drop(folder);
        assert!(!root.exists() && cache.join("images").join(digest("c")).is_dir());
    }
}
