//! C artifacts, each one source file compiled and linked in one command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Item, Workshop, inside, outside, run_inside, sources};
use crate::lab::{Arch, CSource, Compiler, Recipe, Target};

/// The contract's header, which every C source includes.
const HEADER: &str = "plugins/abi/include/dynlab_plugin.h";

/// `sha256:<hex>` over the source and the header.
pub(super) fn source_digest(source: &CSource, repository: &Path) -> Result<String> {
    sources::digest_of_files(repository, [Path::new(HEADER), Path::new(&source.source)])
}

/// Builds every item whose recipe is a C source; the result is keyed by the item's name.
pub(super) fn build(
    items: &[Item<'_>],
    target: &Target,
    workshop: &Workshop<'_>,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for item in items {
        let Recipe::C(source) = item.recipe else { continue };
        let folder = format!("{}/c/{}/{}", inside::BUILD, target.triple, item.name);
        let run = |argv: Vec<String>| run_inside(workshop, &argv, Vec::new(), None, None);
        run(vec!["/usr/bin/mkdir".to_owned(), "-p".to_owned(), folder.clone()])?;
        for library in &source.absent_libraries {
            run(stub_command(source, target, &folder, library))?;
        }
        let product = format!("{folder}/{}.so", item.name);
        run(command(item, source, target, &folder, &product))?;
        files.insert(item.name.to_owned(), outside(&workshop.ground.repository, &product)?);
    }
    Ok(files)
}

fn command(item: &Item<'_>, source: &CSource, target: &Target, folder: &str, product: &str) -> Vec<String> {
    let mut argv = vec![compiler(source.compiler, target)];
    argv.extend(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"].map(str::to_owned));
    match &source.flags {
        Some(flags) => argv.extend(flags.iter().cloned()),
        None => argv.extend(["-shared", "-fPIC"].map(str::to_owned)),
    }
    argv.push(format!("-I{}/plugins/abi/include", inside::SOURCES));
    argv.push(format!("-DDYNLAB_SOURCE_DIGEST=\"{}\"", item.source_digest));
    argv.extend(["-o".to_owned(), product.to_owned(), format!("{}/{}", inside::SOURCES, source.source)]);
    if !source.absent_libraries.is_empty() {
        argv.extend(["-Wl,--no-as-needed".to_owned(), format!("-L{folder}")]);
        argv.extend(source.absent_libraries.iter().map(|library| format!("-l{library}")));
    }
    argv
}

/// A library of that name with nothing in it: the linker finds it, and no host has it.
fn stub_command(source: &CSource, target: &Target, folder: &str, library: &str) -> Vec<String> {
    let mut argv = vec![compiler(source.compiler, target)];
    argv.extend(["-shared", "-fPIC", "-nostdlib"].map(str::to_owned));
    argv.push(format!("-Wl,-soname,lib{library}.so.1"));
    argv.extend(["-o".to_owned(), format!("{folder}/lib{library}.so")]);
    argv.extend(["-x", "c", "/dev/null"].map(str::to_owned));
    argv
}

fn compiler(compiler: Compiler, target: &Target) -> String {
    match (compiler, target.arch) {
        (Compiler::Zig, _) => format!("/opt/dynlab/bin/{}-cc", target.triple),
        (Compiler::Gcc, Arch::X86_64) => "/usr/bin/gcc".to_owned(),
        (Compiler::Gcc, Arch::Aarch64) => "/usr/bin/aarch64-linux-gnu-gcc".to_owned(),
    }
}
