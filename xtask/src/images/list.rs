//! `images list`: what is defined, locked, cached and unpacked.

use anyhow::Result;

use super::lock::Lock;
use super::{Options, Workshop, select};

/// Prints one line an image; fits 80 columns.
pub(crate) fn list(options: &Options) -> Result<()> {
    let workshop = Workshop::open(options)?;
    println!("{:21} {:8} {:7} {:12} {:>7} {:>4}  STATE", "NAME", "SUITE", "ARCH", "DIGEST", "CACHED", "MB");
    for definition in select(options, &[])? {
        let head = format!("{:21} {:8} {:7}", definition.name, definition.suite, definition.arch.to_string());
        match Lock::read(&definition) {
            Err(error) => println!("{head} {:12} {:>7} {:>4}  {error:#}", "-", "-", "-"),
            Ok(lock) => {
                let total = lock.package.len();
                let cached = total - workshop.blobs.missing(&lock.package).len();
                let bytes = lock.package.iter().map(|package| package.size).sum::<u64>();
                let megabytes = bytes.div_ceil(1_000_000);
                let state =
                    if workshop.store.rootfs(&lock.image).is_some() { "unpacked" } else { "not unpacked" };
                let digest = lock.image.trim_start_matches("sha256:").get(..12).unwrap_or_default();
                let cached = format!("{cached}/{total}");
                println!("{head} {digest:12} {cached:>7} {megabytes:>4}  {state}");
            }
        }
    }
    Ok(())
}
