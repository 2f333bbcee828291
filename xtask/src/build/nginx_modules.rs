//! The modules of `lab.toml` for one nginx: ours, and fixtures beside it that are compiled from C or cut.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::nginx::{self, HEADERS};
use super::{Built, Manifest, Room, TOOLCHAIN, inside, read, sha256, sources};
use crate::atomic;
use crate::engine::Mount;
use crate::ground::Ground;
use crate::lab::{CModule, Lab, ModuleRecipe, Nginx};

/// Beside ours.
const FOLDER: &str = "fixtures";
/// Below `usr/share/nginx/src` in the image of the headers; a folder that a version does not have is none to the compiler.
const INCLUDES: [&str; 10] = [
    "src/core",
    "src/event",
    "src/event/modules",
    "src/event/quic",
    "src/os/unix",
    "src/http",
    "src/http/modules",
    "src/http/v2",
    "src/http/v3",
    "objs",
];

/// A module in `dist/`.
pub(crate) struct BuiltModule {
    /// Relative to `dist/`.
    pub(crate) file: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
}

/// Brings the modules for each of `nginxes` up to date. In the order of `lab.toml`; none for those that are artifacts, which are built
/// elsewhere.
///
/// # Errors
/// Sources that do not compile, with the compiler's words.
pub(crate) fn ensure(
    lab: &Lab,
    nginxes: &[&Nginx],
    ground: &Ground,
) -> Result<Vec<Vec<Option<BuiltModule>>>> {
    let source_digest = nginx::source_digest(&ground.repository)?;
    let modules = nginxes.iter().map(|one| {
        let ours = nginx::ensure_of(&source_digest, ground, &one.version, one.arch)?;
        ensure_for(one, &ours, lab, ground).with_context(|| format!("modules for {}", one.name))
    });
    modules.collect()
}

fn ensure_for(nginx: &Nginx, ours: &Path, lab: &Lab, ground: &Ground) -> Result<Vec<Option<BuiltModule>>> {
    let folder = ours.parent().context("a module lies in a folder")?.join(FOLDER);
    let known = Manifest::read_verified(&folder);
    let bench = Bench { lab, nginx, ground, ours };
    let (mut files, mut artifacts) = (Vec::new(), Vec::<Built>::new());
    for module in &lab.modules {
        let recipe = module.recipe()?;
        let path = match recipe {
            ModuleRecipe::Artifact(_) => None,
            ModuleRecipe::Built(name) => Some(ours.with_file_name(format!("{name}.so"))),
            ModuleRecipe::C(_) | ModuleRecipe::Cut(_) => {
                let inputs = bench.inputs(recipe)?;
                let fresh = known.as_ref().and_then(|known| known.find(&module.name));
                let built = match fresh.filter(|built| built.inputs == inputs) {
                    Some(built) => built.clone(),
                    None => bench.build(&module.name, recipe, inputs, &folder)?,
                };
                let path = built.path(&folder);
                artifacts.push(built);
                Some(path)
            }
        };
        files.push(path.map(|path| found(&path, ground)).transpose()?);
    }
    let image_digest = ground.image(TOOLCHAIN)?.digest;
    let manifest = Manifest { target: nginx.arch.debian_target(), image_digest, artifacts };
    if known.as_ref() != Some(&manifest) {
        manifest.write(&folder)?;
    }
    Ok(files)
}

/// All that the modules for one nginx are made from.
struct Bench<'a> {
    lab: &'a Lab,
    nginx: &'a Nginx,
    ground: &'a Ground,
    ours: &'a Path,
}

impl Bench<'_> {
    /// Digest of all that decides the content of what `recipe` makes.
    fn inputs(&self, recipe: ModuleRecipe<'_>) -> Result<String> {
        let from = match recipe {
            ModuleRecipe::C(CModule { source, .. }) => {
                let images = [self.ground.image(TOOLCHAIN)?.digest, self.headers()?.digest];
                let source = sources::digest_of_files(&self.ground.repository, [Path::new(source)])?;
                format!("{} {source}", images.join(" "))
            }
            _ => sha256(&read(self.ours)?),
        };
        Ok(format!("sha256:{}", sha256(format!("{recipe:?} {from}").as_bytes())))
    }

    fn build(&self, name: &str, recipe: ModuleRecipe<'_>, inputs: String, folder: &Path) -> Result<Built> {
        let content = match recipe {
            ModuleRecipe::C(source) => self.compile(name, source)?,
            ModuleRecipe::Cut(cut) => {
                let of = self.lab.modules.iter().find(|module| module.name == cut.of);
                let whole = match of.context("a cut has an original")?.recipe()? {
                    ModuleRecipe::Built(_) => read(self.ours)?,
                    _ => read(&folder.join(format!("{}.so", cut.of)))?,
                };
                let kept = usize::try_from(cut.kept(whole.len() as u64)?)?;
                whole[..kept].to_vec()
            }
            ModuleRecipe::Built(_) | ModuleRecipe::Artifact(_) => {
                anyhow::bail!("{name:?} is built elsewhere")
            }
        };
        let file = format!("{name}.so");
        atomic::write(&folder.join(&file), &content)?;
        Ok(Built {
            name: name.to_owned(),
            kind: "nginx-module".to_owned(),
            file,
            sha256: sha256(&content),
            size: content.len() as u64,
            glibc_floor: None,
            source_digest: inputs.clone(),
            inputs,
        })
    }

    /// One command of Debian's gcc; nothing of a C library is linked, since nginx has one.
    fn compile(&self, name: &str, source: &CModule) -> Result<Vec<u8>> {
        let toolchain = self.ground.image(TOOLCHAIN)?;
        let output =
            super::build_folder_of(self.ground, &toolchain).join("nginx-modules").join(&self.nginx.name);
        fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let mounts = vec![
            Mount::read_only(&self.ground.repository, inside::SOURCES),
            Mount::read_only(self.headers()?.rootfs, HEADERS),
            Mount::writable(&output, inside::BUILD),
        ];
        let engine = self.ground.engine([])?;
        let room = Room { engine: engine.as_ref(), image: &toolchain, mounts, cwd: inside::SOURCES };
        let product = format!("{name}.so");
        let mut argv = vec![nginx::gcc(self.nginx.arch).to_owned(), format!("--sysroot={HEADERS}")];
        argv.extend(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"].map(str::to_owned));
        argv.extend(["-fPIC", "-shared", "-nostdlib"].map(str::to_owned));
        argv.extend(INCLUDES.map(|folder| format!("-I{HEADERS}/usr/share/nginx/src/{folder}")));
        argv.extend(source.defines.iter().map(|define| format!("-D{define}")));
        argv.extend([source.source.clone(), "-o".to_owned(), format!("{}/{product}", inside::BUILD)]);
        room.run(&argv, Vec::new(), None)?;
        read(&output.join(product))
    }

    fn headers(&self) -> Result<crate::image::Image> {
        self.ground.image(&format!("nginx-dev-{}-{}", self.nginx.version, self.nginx.arch))
    }
}

fn found(path: &Path, ground: &Ground) -> Result<BuiltModule> {
    let below = path.strip_prefix(ground.repository.join("dist")).context("modules lie in dist/")?;
    Ok(BuiltModule { file: below.to_string_lossy().into_owned(), sha256: sha256(&read(path)?) })
}
