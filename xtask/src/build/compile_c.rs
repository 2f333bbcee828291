//! C artifacts, each one source file compiled and linked in one command.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Item, Workshop, inside, outside, run_inside, sources};
use crate::lab::{Arch, CCompiler, CSource, Recipe, Target};

/// Flags that say nothing to a compiler; clang warns of them.
const LINK_ONLY: [&str; 4] = ["-shared", "-static", "-no-pie", "-nostdlib"];
/// The contract's header, which every C source includes.
const HEADER: &str = "plugins/abi/include/dynlab_plugin.h";

/// `sha256:<hex>` over the source, the contract's header and the headers beside the source.
pub(super) fn source_digest(source: &CSource, repository: &Path) -> Result<String> {
    let file = Path::new(&source.source);
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut files = vec![PathBuf::from(HEADER), file.to_owned()];
    let entries = fs::read_dir(repository.join(folder))
        .with_context(|| format!("cannot list {}, where {} should be", folder.display(), file.display()))?;
    for entry in entries {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "h") {
            files.push(folder.join(name));
        }
    }
    files.sort();
    sources::digest_of_files(repository, files.iter().map(PathBuf::as_path))
}

/// Builds every item of `items` whose recipe is a C source; the result is keyed by the item's name.
pub(super) fn build(
    items: &[&Item<'_>],
    target: &Target,
    workshop: &Workshop<'_>,
) -> Result<BTreeMap<String, PathBuf>> {
    let bar = workshop.ground.progress.spinner(&format!("compile C for {}", target.triple));
    let mut files = BTreeMap::new();
    for item in items {
        let Recipe::C(source) = item.recipe else { continue };
        let folder = Folder::make(workshop, target, item)?;
        let compiler = compiler(source.compiler, target);
        for library in &source.absent_libraries {
            let object = folder.inside(&format!("{library}.o"));
            folder.run(&[&compiler, "-c", "-fPIC", "-x", "c", "/dev/null", "-o", &object])?;
            let product = folder.inside(&format!("lib{library}.so"));
            let soname = format!("-Wl,-soname,lib{library}.so");
            folder.run(&[&compiler, "-shared", "-nostdlib", &soname, &object, "-o", &product])?;
        }
        let object = folder.inside("plugin.o");
        folder.run(&compile_command(item, source, &compiler, &object))?;
        let product = folder.inside("plugin.so");
        folder.run(&link_command(source, &compiler, &folder, &object, &product))?;
        files.insert(item.name.to_owned(), outside(workshop, &product)?);
        bar.inc(1);
    }
    Ok(files)
}

/// Where one item is built: the same folder seen from outside and inside the image.
struct Folder<'a> {
    workshop: &'a Workshop<'a>,
    inside: String,
}

impl<'a> Folder<'a> {
    fn make(workshop: &'a Workshop<'a>, target: &Target, item: &Item<'_>) -> Result<Folder<'a>> {
        let inside = format!("{}/c/{}/{}", inside::BUILD, target.triple, item.name);
        let outside = outside(workshop, &inside)?;
        fs::create_dir_all(&outside).with_context(|| format!("cannot make {}", outside.display()))?;
        Ok(Folder { workshop, inside })
    }

    fn inside(&self, name: &str) -> String {
        format!("{}/{name}", self.inside)
    }

    fn run(&self, argv: &[impl AsRef<str>]) -> Result<()> {
        let argv: Vec<String> = argv.iter().map(|word| word.as_ref().to_owned()).collect();
        run_inside(self.workshop, &argv, Vec::new(), None, None)?;
        Ok(())
    }
}

/// The flags of a source; those that only the linker heeds do not disturb the compiler.
fn flags(source: &CSource) -> Vec<String> {
    match &source.flags {
        Some(flags) => flags.clone(),
        None => ["-shared", "-fPIC"].map(str::to_owned).to_vec(),
    }
}

fn compile_command(item: &Item<'_>, source: &CSource, compiler: &str, object: &str) -> Vec<String> {
    let mut argv = vec![compiler.to_owned(), "-c".to_owned()];
    argv.extend(["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"].map(str::to_owned));
    argv.extend(flags(source).into_iter().filter(|flag| !LINK_ONLY.contains(&flag.as_str())));
    argv.push(format!("-I{}/plugins/abi/include", inside::SOURCES));
    argv.push(format!("-DDYNLAB_SOURCE_DIGEST=\"{}\"", item.source_digest));
    argv.extend([format!("{}/{}", inside::SOURCES, source.source), "-o".to_owned(), object.to_owned()]);
    argv
}

fn link_command(
    source: &CSource,
    compiler: &str,
    folder: &Folder<'_>,
    object: &str,
    product: &str,
) -> Vec<String> {
    let mut argv = vec![compiler.to_owned()];
    argv.extend(flags(source));
    argv.extend([object.to_owned(), "-o".to_owned(), product.to_owned()]);
    if !source.absent_libraries.is_empty() {
        argv.extend(["-Wl,--no-as-needed".to_owned(), format!("-L{}", folder.inside)]);
        argv.extend(source.absent_libraries.iter().map(|library| format!("-l{library}")));
    }
    argv
}

fn compiler(compiler: CCompiler, target: &Target) -> String {
    match (compiler, target.arch) {
        (CCompiler::Zig, _) => format!("/opt/dynlab/bin/{}-cc", target.triple),
        (CCompiler::Gcc, Arch::X86_64) => "/usr/bin/gcc".to_owned(),
        (CCompiler::Gcc, Arch::Aarch64) => "/usr/bin/aarch64-linux-gnu-gcc".to_owned(),
    }
}
