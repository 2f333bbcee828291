//! What of the toolchain is linked into everything: Rust's std, and the start files and helpers that the linker adds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::archive::File;
use super::bill::percent_encoded;
use super::cyclonedx::{Component, Hash, Kind, Licence};
use super::named;
use crate::build::TOOLCHAIN;
use crate::image::Image;
use crate::images::{self, LockedPackage, Wheel};
use crate::lab::{Arch, Lab, Libc, Target};

/// What says which packages and wheels, below the repository.
const DEFINITION: &str = "containers/toolchain/image.toml";
const LOCK: &str = "containers/toolchain/toolchain.lock";
/// Where the toolchain image has std, for each target.
const RUSTLIB: &str = "usr/lib/rustlib";
/// Where archives have the licences of these.
const FOLDER: &str = "licences";

/// A part of the toolchain that becomes part of what it builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    name: &'static str,
    /// What of it.
    description: &'static str,
    licence: &'static str,
    /// Its package, where it is one by itself.
    package: Option<Package>,
    /// Where the toolchain image has its licence.
    text: &'static str,
    /// Whether only what is written in Rust has it.
    pub(super) is_of_rust: bool,
}

/// A package that the image was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    version: String,
    purl: String,
    sha256: String,
}

/// The parts that are in what is built for `target`, by the lock of the toolchain image.
///
/// # Errors
/// The image is no longer made of the packages that this knows.
pub(super) fn parts(repository: &Path, lab: &Lab, target: &Target) -> Result<Vec<Part>> {
    let (packages, wheels) = images::locked_parts(repository, lab, TOOLCHAIN)?;
    choose(&packages, &wheels, target)
}

fn choose(packages: &[LockedPackage], wheels: &[Wheel], target: &Target) -> Result<Vec<Part>> {
    let std = match (target.libc, target.arch) {
        // Built from source when the image is made.
        (Libc::Musl, _) => debian_package(packages, "rust-web-src", "all")?,
        (Libc::Gnu, Arch::X86_64) => debian_package(packages, "libstd-rust-web-dev", "amd64")?,
        (Libc::Gnu, Arch::Aarch64) => debian_package(packages, "libstd-rust-web-dev", "arm64")?,
    };
    let (libc, licence, text) = match target.libc {
        Libc::Gnu => {
            ("glibc", "LGPL-2.1-or-later WITH GCC-exception-2.0-note", "opt/zig/lib/libc/glibc/LICENSES")
        }
        Libc::Musl => ("musl", "MIT", "opt/zig/lib/libc/musl/COPYRIGHT"),
    };
    Ok(vec![
        Part {
            name: "rust-std",
            description: "Rust's standard library and the crates in it",
            licence: "MIT OR Apache-2.0",
            package: Some(std),
            text: "usr/share/doc/libstd-rust-web-dev/copyright",
            is_of_rust: true,
        },
        Part {
            name: "ziglang",
            description: "compiler-rt, as its linker adds it",
            licence: "MIT",
            package: Some(wheel(wheels, "ziglang")?),
            text: "opt/zig/LICENSE",
            is_of_rust: false,
        },
        Part {
            name: "libunwind",
            description: "LLVM's unwinder, as ziglang has it",
            licence: "Apache-2.0 WITH LLVM-exception",
            package: None,
            text: "opt/zig/lib/libunwind/LICENSE.TXT",
            is_of_rust: true,
        },
        Part {
            name: libc,
            description: "The start files of the C library, as ziglang has them; the library itself is that of the host",
            licence,
            package: None,
            text,
            is_of_rust: false,
        },
    ])
}

/// The licence of each part, by its path in the archive.
///
/// # Errors
/// The image does not have one of them.
pub(super) fn licences(parts: &[Part], toolchain: &Image) -> Result<BTreeMap<String, File>> {
    let read = |part: &Part| {
        let content = fs::read(toolchain.rootfs.join(part.text)).with_context(|| {
            format!("image {} has no licence of {} at {}", toolchain.name, part.name, part.text)
        })?;
        Ok((format!("{FOLDER}/{}.txt", part.name), File { content, executable: false }))
    };
    parts.iter().map(read).collect()
}

/// The crates of others that are in Rust's std for `target`, as `name-version`, if it was built from source when the image was made: those that
/// its libraries name.
///
/// # Errors
/// The image has no std for that target.
pub(super) fn crates_of_std(toolchain: &Image, target: &Target) -> Result<BTreeSet<String>> {
    let folder = toolchain.rootfs.join(RUSTLIB).join(&target.triple).join("lib");
    let unreadable = || format!("image {} has no std for {} in {RUSTLIB}", toolchain.name, target.triple);
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "rlib") {
            found.extend(named::crates(&fs::read(&path).with_context(unreadable)?));
        }
    }
    Ok(found)
}

impl Part {
    /// What the bill calls it.
    pub(super) fn reference(&self) -> String {
        self.package
            .as_ref()
            .map_or_else(|| format!("toolchain:{}", self.name), |package| package.purl.clone())
    }

    /// What the bill says of it.
    pub(super) fn component(&self) -> Component {
        let package = self.package.as_ref();
        Component {
            bom_ref: Some(self.reference()),
            version: package.map(|package| package.version.clone()),
            description: Some(self.description.to_owned()),
            hashes: package.map(|package| Hash::sha256(&package.sha256)).into_iter().collect(),
            licenses: vec![Licence::Expression(self.licence.to_owned())],
            purl: package.map(|package| package.purl.clone()),
            ..Component::new(Kind::Library, self.name)
        }
    }
}

fn debian_package(packages: &[LockedPackage], name: &str, arch: &str) -> Result<Package> {
    let found = packages.iter().find(|one| one.name == name && one.arch == arch);
    let found = found.with_context(|| format!("{LOCK} has no {name}:{arch}, whose std everything links"))?;
    let version = percent_encoded(&found.version);
    Ok(Package {
        purl: format!("pkg:deb/debian/{name}@{version}?arch={arch}"),
        version: found.version.clone(),
        sha256: found.sha256.clone(),
    })
}

fn wheel(wheels: &[Wheel], name: &str) -> Result<Package> {
    let found = wheels.iter().find(|one| one.name == name);
    let found = found.with_context(|| format!("{DEFINITION} has no wheel {name}, which links everything"))?;
    ensure!(!found.version.is_empty(), "{DEFINITION} has wheel {name} without a version");
    let purl = format!("pkg:pypi/{name}@{}", percent_encoded(&found.version));
    Ok(Package { purl, version: found.version.clone(), sha256: found.sha256.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_the_std_that_was_linked() {
        let repository = crate::paths::repository().unwrap();
        let lab = Lab::read(&repository).unwrap();
        let expected = [
            ("x86_64-unknown-linux-gnu", "libstd-rust-web-dev@1.", "arch=amd64", "glibc"),
            ("aarch64-unknown-linux-gnu", "libstd-rust-web-dev@1.", "arch=arm64", "glibc"),
            ("x86_64-unknown-linux-musl", "rust-web-src@1.", "arch=all", "musl"),
            ("aarch64-unknown-linux-musl", "rust-web-src@1.", "arch=all", "musl"),
        ];
        for (triple, std, arch, libc) in expected {
            let target = lab.targets.iter().find(|one| one.triple == triple).unwrap();
            let references: Vec<String> =
                parts(&repository, &lab, target).unwrap().iter().map(Part::reference).collect();
            assert!(references[0].contains(std) && references[0].ends_with(arch), "{references:?}");
            assert!(references[1].starts_with("pkg:pypi/ziglang@"), "{references:?}");
            assert_eq!(references[3], format!("toolchain:{libc}"));
        }
    }

    #[test]
    fn std_says_itself_which_crates_are_in_it() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let rootfs = tempfile::tempdir().unwrap();
        let image = Image {
            name: "toolchain".to_owned(),
            arch: Arch::X86_64,
            libc: None,
            digest: String::new(),
            rootfs: rootfs.path().to_owned(),
            pinned: true,
        };
        let target = &lab.targets[0];
        let error = crates_of_std(&image, target).unwrap_err().to_string();
        assert!(error.contains("has no std for x86_64-unknown-linux-gnu"), "{error}");
        let folder = rootfs.path().join(RUSTLIB).join(&target.triple).join("lib");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libgimli-1.rlib"), "!<arch>\n/vendor/gimli-0.32.3/src/lib.rs\0").unwrap();
        fs::write(folder.join("notes.txt"), "/vendor/other-1.0.0/src/lib.rs").unwrap();
        let found: Vec<String> = crates_of_std(&image, target).unwrap().into_iter().collect();
        assert_eq!(found, ["gimli-0.32.3"]);
    }

    #[test]
    fn a_toolchain_that_has_become_another_is_named() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let error = choose(&[], &[], &lab.targets[0]).unwrap_err().to_string();
        assert!(error.contains("toolchain.lock has no libstd-rust-web-dev:amd64"), "{error}");
    }
}
