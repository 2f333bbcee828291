//! What every verb stands on: the repository, the cache, where images come from and what runs them.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache_use::CacheUse;
use crate::engine::{self, Engine, EngineChoice};
use crate::flags::GroundFlags;
use crate::image::Image;
use crate::images;
use crate::lab::Arch;
use crate::paths;
use crate::progress::Progress;

/// The surroundings of one run of xtask.
pub(crate) struct Ground {
    /// The root of the repository.
    pub(crate) repository: PathBuf,
    /// The cache that all clones share.
    pub(crate) cache: PathBuf,
    /// Held as long as this lives, so that nothing is removed from the cache meanwhile.
    pub(crate) cache_use: CacheUse,
    /// How images are come by.
    pub(crate) images: images::Options,
    /// Shows what is going on.
    pub(crate) progress: Progress,
    /// What `--engine` says.
    pub(crate) choice: EngineChoice,
}

impl Ground {
    /// Looks around; starts and fetches nothing. Waits while another command removes things from the cache.
    pub(crate) fn survey(flags: &GroundFlags) -> Result<Ground> {
        let repository = paths::repository()?;
        let cache = paths::cache()?;
        // A wrong address is refused even where nothing need be fetched; an empty variable is one that is not set.
        let address = |given: &Option<String>| {
            given
                .as_deref()
                .filter(|given| !given.is_empty())
                .map(|given| images::mirror_address(Some(given)))
        };
        let images = images::Options {
            repository: repository.clone(),
            cache: cache.clone(),
            mirror: address(&flags.mirror).transpose()?,
            snapshot_mirror: address(&flags.snapshot_mirror).transpose()?,
            keyring: "/usr/share/keyrings/debian-archive-keyring.gpg".into(),
            engine: flags.engine,
            locked: flags.locked,
        };
        let cache_use = CacheUse::begin(&cache);
        Ok(Ground { repository, cache, cache_use, images, progress: Progress::new(), choice: flags.engine })
    }

    /// The chosen engine, able to run programs of every architecture in `arches` as far as this machine allows.
    pub(crate) fn engine(&self, arches: impl IntoIterator<Item = Arch>) -> Result<Box<dyn Engine>> {
        let emulator = if arches.into_iter().all(engine::is_native) { None } else { Some(self.emulator()?) };
        engine::select(self.choice, emulator.as_deref())
    }

    /// The pinned static qemu-aarch64, fetched if the cache does not have it.
    pub(crate) fn emulator(&self) -> Result<PathBuf> {
        images::emulator(&self.images)
    }

    /// The image called `name`, fetched and assembled if the cache does not have it.
    pub(crate) fn image(&self, name: &str) -> Result<Image> {
        images::ensure(&self.images, name)
    }
}
