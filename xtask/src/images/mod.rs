//! Images: root file systems made of locked packages, with the same digest on every machine.
//!
//! A definition ([`definition`]) is resolved into a lock ([`lock`]) by [`renew()`]; from then on [`ensure()`] fetches by lock
//! and assembles. Everything is deterministic and runs as an ordinary user; no maintainer script is ever run.

mod archive;
mod archive_index;
mod assemble;
mod blobs;
mod config;
mod deb;
mod definition;
mod digest;
mod disk;
mod ensure;
mod extend;
mod family;
mod http;
mod layer;
mod list;
mod lock;
mod mirror;
mod packages;
mod pattern;
mod prune;
mod renew;
mod resolve;
mod signature;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod verify;
mod version;
mod wheels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use self::archive::{export, tag, write_archive, write_file};
use self::blobs::{Blobs, Sources};
pub(crate) use self::config::{Healthcheck, Nothing, Start};
use self::definition::Definition;
pub(crate) use self::definition::Wheel;
pub(crate) use self::digest::is_sha256;
pub(crate) use self::ensure::{build, emulator, ensure, fetch_all, unready};
pub(crate) use self::extend::{Addition, Extension, extend};
use self::http::Client;
pub(crate) use self::list::list;
pub(crate) use self::lock::LockedPackage;
pub(crate) use self::mirror::address as mirror_address;
pub(crate) use self::pattern::any_matches;
use self::prune::prune;
pub(crate) use self::renew::renew;
use self::signature::Unsigned;
pub(crate) use self::store::remove_tree;
use self::store::{Guard, Store};
pub(crate) use self::verify::verify;
use crate::cache_use::CacheUse;
use crate::engine::{self, EngineChoice};
use crate::flags::ImagesVerb;
use crate::lab::Lab;

/// What all verbs on images need to know.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The repository, whose `containers` holds definitions and locks.
    pub(crate) repository: PathBuf,
    /// The cache folder, see [`crate::paths::cache`].
    pub(crate) cache: PathBuf,
    /// The Debian mirror; without it the machine's apt configuration decides.
    pub(crate) mirror: Option<String>,
    /// Where packages that have left the mirror are found.
    pub(crate) snapshot_mirror: Option<String>,
    /// Debian's public keys; signatures are checked with them when locks are made.
    pub(crate) keyring: PathBuf,
    /// What runs the steps of images that have some.
    pub(crate) engine: EngineChoice,
    /// Whether packages that are nowhere to be had are an error, rather than resolved anew for this run.
    pub(crate) locked: bool,
}

/// Runs `cargo xtask images …`.
pub(crate) fn run(options: &Options, cache_use: &CacheUse, verb: &ImagesVerb) -> Result<()> {
    match verb {
        ImagesVerb::Build { names } => {
            for image in build(options, names)? {
                println!("{} {} {}", image.name, image.digest, image.rootfs.display());
            }
            Ok(())
        }
        ImagesVerb::Verify { names, beside } => verify(options, names, beside.as_deref()),
        ImagesVerb::Export { name, file } => export(options, name, file),
        ImagesVerb::Load { name } => {
            let docker = engine::lend()?;
            let image = ensure(options, name)?;
            docker.load(&image)?;
            println!("{} {}", tag(&image), image.digest);
            Ok(())
        }
        ImagesVerb::List => list(options),
        ImagesVerb::Prune(flags) => prune(options, cache_use, flags),
        ImagesVerb::Lock { names, keep_packages, unsigned } => {
            let unsigned = if *unsigned { Unsigned::Taken } else { Unsigned::Refused };
            renew(options, names, *keep_packages, unsigned)
        }
    }
}

/// The mirror's address, once it has answered.
pub(crate) fn reach_mirror(options: &Options) -> Result<String> {
    let address = mirror::address(options.mirror.as_deref())?;
    Client::new().bytes(&format!("{address}/dists/bookworm/InRelease"))?;
    Ok(address)
}

/// The digest of the image called `name`, as its lock says.
///
/// # Errors
/// There is no such image, or its lock answers another definition.
pub(crate) fn locked_digest(repository: &Path, lab: &Lab, name: &str) -> Result<String> {
    Ok(locked_one(repository, lab, name)?.1.image)
}

/// The packages and the wheels that the image called `name` is made of.
///
/// # Errors
/// There is no such image, or its lock answers another definition.
pub(crate) fn locked_parts(
    repository: &Path,
    lab: &Lab,
    name: &str,
) -> Result<(Vec<LockedPackage>, Vec<Wheel>)> {
    let (definition, lock) = locked_one(repository, lab, name)?;
    Ok((lock.package, definition.wheels))
}

fn locked_one(repository: &Path, lab: &Lab, name: &str) -> Result<(Definition, lock::Lock)> {
    let definitions = Definition::read_all(repository, &lab.hosts)?;
    let definition = definitions.into_iter().find(|definition| definition.name == name);
    let definition = definition.with_context(|| format!("no image is called {name:?}"))?;
    let lock = lock::Lock::read(&definition)?;
    Ok((definition, lock))
}

/// Every image by name, with the digest that its lock says; nothing is fetched.
pub(crate) fn locked_digests(options: &Options) -> Result<BTreeMap<String, String>> {
    let digest = |definition: Definition| Ok((definition.name.clone(), lock::Lock::read(&definition)?.image));
    select(options, &[])?.into_iter().map(digest).collect()
}

/// The parts that the verbs work with.
struct Workshop<'a> {
    options: &'a Options,
    blobs: Blobs,
    store: Store,
}

impl<'a> Workshop<'a> {
    fn open(options: &'a Options) -> Result<Workshop<'a>> {
        Ok(Workshop { options, blobs: Blobs::open(&options.cache)?, store: Store::open(&options.cache)? })
    }

    /// Waits until no other process makes images or fetches for them, then sweeps away what interrupted ones have left.
    fn lock(&self) -> Result<Guard> {
        let guard = self.store.lock()?;
        self.blobs.sweep(&guard)?;
        Ok(guard)
    }

    fn sources(&self) -> Result<Sources> {
        let mut mirrors = vec![mirror::address(self.options.mirror.as_deref())?];
        if let Some(snapshot) = &self.options.snapshot_mirror {
            mirrors.push(mirror::address(Some(snapshot))?);
        }
        Ok(Sources { client: Client::new(), mirrors })
    }
}

/// All definitions, or those of `names`; an unknown name is refused with the known ones.
fn select(options: &Options, names: &[String]) -> Result<Vec<Definition>> {
    let lab = Lab::read(&options.repository)?;
    let all = Definition::read_all(&options.repository, &lab.hosts)?;
    if names.is_empty() {
        return Ok(all);
    }
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|definition| definition.name != **name)) {
        let known: Vec<_> = all.iter().map(|definition| definition.name.as_str()).collect();
        bail!("no image is called {unknown:?}; there are {}", known.join(", "));
    }
    Ok(all.into_iter().filter(|definition| names.contains(&definition.name)).collect())
}

/// The digests that the locks of the named images, or of all, demand; by name.
pub(crate) fn locked(options: &Options, names: &[String]) -> Result<BTreeMap<String, String>> {
    let definitions = select(options, names)?;
    definitions.into_iter().map(|one| Ok((one.name.clone(), lock::Lock::read(&one)?.image))).collect()
}

/// Checks that every definition has a lock and that the lock answers it.
pub(crate) fn check_locks(options: &Options) -> Result<()> {
    locked(options, &[]).map(drop)
}
