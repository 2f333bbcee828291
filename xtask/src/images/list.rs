//! `images list`: what is defined, locked, cached and unpacked.

use anyhow::Result;

use super::lock::Lock;
use super::{Options, Workshop, select};

/// Prints one line an image.
pub(crate) fn list(options: &Options) -> Result<()> {
    let workshop = Workshop::open(options)?;
    println!("{:24} {:8} {:7} {:14} {:>9} {:>8}  STATE", "NAME", "SUITE", "ARCH", "DIGEST", "CACHED", "MB");
    for definition in select(options, &[])? {
        let head = format!("{:24} {:8} {:7}", definition.name, definition.suite, definition.arch.to_string());
        match Lock::read(&definition) {
            Err(error) => println!("{head} {:14} {:>9} {:>8}  {error:#}", "-", "-", "-"),
            Ok(lock) => {
                let total = lock.package.len();
                let cached = total - workshop.blobs.missing(&lock.package).len();
                let megabytes = lock.package.iter().map(|package| package.size).sum::<u64>() / 1_000_000;
                let state =
                    if workshop.store.rootfs(&lock.image).is_some() { "unpacked" } else { "not unpacked" };
                let digest = lock.image.trim_start_matches("sha256:").get(..12).unwrap_or_default();
                let cached = format!("{cached}/{total}");
                println!("{head} {digest:14} {cached:>9} {megabytes:>8}  {state}");
            }
        }
    }
    Ok(())
}
