//! Which hosts files are inspected for, and the program that would open them there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use plugin_compat::{ElfFacts, Machine};
use serde::Deserialize;

use crate::flags::InspectFlags;
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Arch, Host, Lab, Libc};

/// What hosts have for a program where none is named; see there.
const PROGRAMS: &str = "containers/hosts/program.toml";

/// A root file system with the program that opens files in it.
pub(super) struct Place {
    /// Its name in reports.
    pub(super) name: String,
    /// The root file system; its folder is resolved.
    pub(super) image: Image,
    /// The C library whose loader it is.
    pub(super) libc: Libc,
    pub(super) program: Program,
    /// The image's digest, where it is one; folders may change without anybody telling.
    pub(super) digest: Option<String>,
}

/// The program that opens files.
pub(super) struct Program {
    pub(super) facts: ElfFacts,
    /// Its path inside the root; none for the small one that stands for all.
    pub(super) path: Option<String>,
    /// Where it lies on this machine, if it is not part of the root.
    pub(super) file: Option<PathBuf>,
}

/// Where a program is shown that is not part of a host's root.
const PROGRAM_AT: &str = "/inspecting";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    program: Vec<Usual>,
}

/// A platform and its usual program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Usual {
    arch: Arch,
    libc: Libc,
    interpreter: String,
    needed: Vec<String>,
}

/// The hosts that are asked for: images by name, root file systems by folder, or all images of the lab.
pub(super) fn select(flags: &InspectFlags, ground: &Ground) -> Result<Vec<Place>> {
    let usual = usual_programs(&ground.repository)?;
    let named = flags.program.as_deref().map(|file| Named::read(file, &usual)).transpose()?;
    let mut places = Vec::new();
    for rootfs in &flags.rootfs {
        places.extend(in_folder(rootfs, &usual, named.as_ref())?);
    }
    if flags.rootfs.is_empty() || !flags.hosts.is_empty() {
        places.extend(in_lab(&flags.hosts, ground, &usual, named.as_ref())?);
    }
    Ok(places)
}

/// All host images of the lab, with their usual programs.
pub(super) fn of_lab(ground: &Ground) -> Result<Vec<Place>> {
    in_lab(&[], ground, &usual_programs(&ground.repository)?, None)
}

/// An image with glibc that is no host of the lab, with the usual program.
pub(super) fn of_image(name: &str, ground: &Ground) -> Result<Place> {
    let usual = usual_programs(&ground.repository)?;
    let image = ground.image(name)?;
    of_platform(image, (name, Libc::Gnu), &usual, None)
}

/// The same root file system with `program`, a path in it that may be a link; called `name`.
pub(super) fn with_program(place: &Place, name: &str, program: &str, ground: &Ground) -> Result<Place> {
    let named = Named::read(&place.image.rootfs.join(program), &usual_programs(&ground.repository)?)?;
    Ok(Place {
        name: name.to_owned(),
        image: place.image.clone(),
        libc: named.libc,
        program: named.in_root(&place.image.rootfs),
        digest: place.digest.clone(),
    })
}

fn in_lab(wanted: &[String], ground: &Ground, usual: &[Usual], named: Option<&Named>) -> Result<Vec<Place>> {
    let lab = Lab::read(&ground.repository)?;
    let (hosts, _) = lab.select_hosts(wanted)?;
    let is_meant =
        |host: &&&Host| named.is_none_or(|named| (named.arch, named.libc) == (host.arch, host.libc));
    hosts
        .iter()
        .filter(is_meant)
        .map(|host| of_platform(ground.image(&host.name)?, (host.name.as_str(), host.libc), usual, named))
        .collect()
}

fn of_platform(
    mut image: Image,
    (name, libc): (&str, Libc),
    usual: &[Usual],
    named: Option<&Named>,
) -> Result<Place> {
    let usual = usual
        .iter()
        .find(|usual| (usual.arch, usual.libc) == (image.arch, libc))
        .with_context(|| format!("{PROGRAMS} has no program for {}-{libc}", image.arch))?;
    image.rootfs = resolved(&image.rootfs)?;
    let digest = Some(image.digest.clone());
    Ok(Place { digest, ..place(name.to_owned(), image, usual, named) })
}

fn usual_programs(repository: &Path) -> Result<Vec<Usual>> {
    let path = repository.join(PROGRAMS);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(toml::from_str::<Programs>(&text).with_context(|| PROGRAMS)?.program)
}

/// The platforms whose hosts have a usual program.
#[cfg(test)]
pub(super) fn platforms(repository: &Path) -> Result<Vec<(Arch, Libc)>> {
    Ok(usual_programs(repository)?.iter().map(|usual| (usual.arch, usual.libc)).collect())
}

/// A folder is a host for every loader that it has.
fn in_folder(rootfs: &Path, usual: &[Usual], named: Option<&Named>) -> Result<Vec<Place>> {
    let rootfs = resolved(rootfs)?;
    let name = rootfs.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut places = Vec::new();
    for one in usual {
        if named.is_some_and(|named| (named.arch, named.libc) != (one.arch, one.libc)) {
            continue;
        }
        let program = ElfFacts::of_program(one.machine(), &one.interpreter, &[]);
        if plugin_compat::HostReader::open(&rootfs, &name, program).is_ok() {
            let image = crate::exec::unpacked(&rootfs, one.arch);
            places.push(place(format!("{name}-{}-{}", one.arch, one.libc), image, one, named));
        }
    }
    if places.is_empty() {
        bail!(
            "{} has none of the loaders that are known ({}); unpack a C library there",
            rootfs.display(),
            usual.iter().map(|one| one.interpreter.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(places)
}

fn place(name: String, image: Image, usual: &Usual, named: Option<&Named>) -> Place {
    let program = match named {
        Some(named) => named.in_root(&image.rootfs),
        None => usual.program(),
    };
    Place { name, image, libc: usual.libc, program, digest: None }
}

fn resolved(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().with_context(|| format!("cannot find the root file system {}", folder.display()))
}

impl Usual {
    fn machine(&self) -> Machine {
        match self.arch {
            Arch::X86_64 => Machine::X86_64,
            Arch::Aarch64 => Machine::Aarch64,
        }
    }

    fn program(&self) -> Program {
        let needed: Vec<&str> = self.needed.iter().map(String::as_str).collect();
        let facts = ElfFacts::of_program(self.machine(), &self.interpreter, &needed);
        Program { facts, path: None, file: None }
    }
}

/// The program that `--program` names.
struct Named {
    facts: ElfFacts,
    file: PathBuf,
    arch: Arch,
    libc: Libc,
}

impl Named {
    fn read(file: &Path, usual: &[Usual]) -> Result<Named> {
        let explain = || format!("cannot use {} as the program", file.display());
        let file = file.canonicalize().with_context(explain)?;
        let facts = ElfFacts::parse(&fs::read(&file).with_context(explain)?).with_context(explain)?;
        let of_program = |one: &&Usual| {
            facts.interpreter.as_deref() == Some(&*one.interpreter) && facts.machine == one.machine()
        };
        let Some(one) = usual.iter().find(of_program) else {
            bail!("{}: it is no program for any of the loaders that {PROGRAMS} has", explain());
        };
        Ok(Named { arch: one.arch, libc: one.libc, facts, file })
    }

    fn in_root(&self, rootfs: &Path) -> Program {
        let (path, file) = match self.file.strip_prefix(rootfs) {
            Ok(inside) => (format!("/{}", inside.display()), None),
            Err(_) => {
                let name = self.file.file_name().unwrap_or_default().to_string_lossy();
                (format!("{PROGRAM_AT}/{name}"), Some(self.file.clone()))
            }
        };
        Program { facts: self.facts.clone(), path: Some(path), file }
    }
}
