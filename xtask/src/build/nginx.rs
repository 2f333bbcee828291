//! `cargo xtask nginx`: the nginx module, for every nginx and architecture that has images, inside the toolchain image.
//!
//! It is a workspace of its own, since it compiles only against the headers of one nginx. They come from the image
//! `nginx-dev-VERSION-ARCH`, which is mounted at `/nginx`; bindgen reads them with the image `libclang`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use plugin_compat::ElfFacts;

use super::linked::{CrateId, LinkGraph};
use super::sources::{self, Workspace};
use super::{Built, Manifest, Room, TOOLCHAIN, Workshop, compile_rust, inside, sha256, vendor};
use crate::atomic;
use crate::engine::Mount;
use crate::flags::NginxFlags;
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Arch, Lab};

/// The module's workspace, below the repository.
pub(crate) const WORKSPACE: &str = "ngx-backend/module";
const PACKAGE: &str = "ngx-http-set-backend-module";
const MODULE: &str = "ngx_http_set_backend_module";
/// The resolver that its tests load.
const FIXTURE: &str = "scripted-resolver";
/// The resolvers that it is meant for, and their packages. Built alone here, so that nobody has to build everything to try them
/// in nginx; what is shipped comes from `cargo xtask build`.
const RESOLVERS: [(&str, &str); 2] = [("snapshot", "snapshot-resolver"), ("socket", "socket-resolver")];
/// A feature that makes the module do what it must not, and the folder of the module that has it.
const WRONG: &str = "load-before-fork";
/// What their build folder is called.
const OF_RESOLVERS: &str = "nginx-resolvers";
/// Where the headers' image and libclang lie inside the toolchain image.
pub(super) const HEADERS: &str = "/nginx";
const LIBCLANG: &str = "/opt/libclang";

/// Builds the modules that the flags ask for, and says where they are.
pub(crate) fn run(flags: &NginxFlags, ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    for nginx in lab.select_nginxes(flags.nginx.as_deref(), flags.arch)? {
        let built = ensure(ground, &nginx.version, nginx.arch)?;
        println!("{}", built.display());
    }
    Ok(())
}

/// Brings `dist/<target>/nginx-<version>/` up to date and gives the module's path; the resolver of its tests lies beside it.
///
/// # Errors
/// Sources that do not compile, with the compiler's words.
pub(crate) fn ensure(ground: &Ground, version: &str, arch: Arch) -> Result<PathBuf> {
    ensure_of(&source_digest(&ground.repository)?, ground, version, arch)
}

/// The same, given the [`source_digest`].
pub(super) fn ensure_of(source_digest: &str, ground: &Ground, version: &str, arch: Arch) -> Result<PathBuf> {
    let workbench = Workbench::open(ground, version, arch)?;
    let target = workbench.arch.debian_target();
    let folder = ground.repository.join("dist").join(&target).join(format!("nginx-{version}"));
    let inputs = workbench.inputs(source_digest)?;
    let known = Manifest::read_verified(&folder)
        .filter(|manifest| manifest.artifacts.iter().all(|built| built.inputs == inputs));
    let manifest = match known {
        Some(manifest) => manifest,
        None => workbench.build(&folder, source_digest, &inputs)?,
    };
    let module = manifest.find(MODULE).with_context(|| format!("{} has no {MODULE}", folder.display()))?;
    Ok(module.path(&folder))
}

/// What the module links for `arch`, and the crate that it is.
///
/// # Errors
/// What cargo printed, when it cannot tell.
pub(crate) fn links(workshop: &Workshop<'_>, arch: Arch) -> Result<(LinkGraph, CrateId)> {
    let graph = LinkGraph::read(workshop, WORKSPACE, &[PACKAGE, FIXTURE].into(), &arch.debian_target())?;
    let module = graph.ours(PACKAGE)?.clone();
    Ok((graph, module))
}

/// The images that it is built with, beside the toolchain's: headers of that nginx, and libclang.
pub(crate) fn images(version: &str, arch: Arch) -> [String; 2] {
    [format!("nginx-dev-{version}-{arch}"), "libclang".to_owned()]
}

/// Debian's compiler for `arch`, inside the toolchain image.
pub(super) fn gcc(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "/usr/bin/gcc",
        Arch::Aarch64 => "/usr/bin/aarch64-linux-gnu-gcc",
    }
}

/// Checks the module with the pinned rustfmt.
pub(crate) fn format(ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let workbench = Workbench::open_newest(ground, &lab)?;
    workbench.cargo(&["fmt", "--all", "--check"], &[])?;
    Ok(())
}

/// Checks the module with the pinned clippy, against the newest nginx.
pub(crate) fn lint(ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let workbench = Workbench::open_newest(ground, &lab)?;
    workbench.cargo(&["clippy", "--workspace"], &["--", "-D", "warnings"])?;
    Ok(())
}

/// All that one build needs.
struct Workbench<'a> {
    ground: &'a Ground,
    version: &'a str,
    arch: Arch,
    toolchain: Image,
    headers: Image,
    libclang: Image,
}

impl<'a> Workbench<'a> {
    fn open(ground: &'a Ground, version: &'a str, arch: Arch) -> Result<Workbench<'a>> {
        let [headers, libclang] = images(version, arch);
        Ok(Workbench {
            ground,
            version,
            arch,
            toolchain: ground.image(TOOLCHAIN)?,
            headers: ground.image(&headers)?,
            libclang: ground.image(&libclang)?,
        })
    }

    /// For the newest nginx of lab.toml, for checks of the source.
    fn open_newest(ground: &'a Ground, lab: &'a Lab) -> Result<Workbench<'a>> {
        let newest = lab.newest_nginx(Arch::X86_64)?;
        Workbench::open(ground, &newest.version, newest.arch)
    }

    fn build(&self, folder: &Path, source_digest: &str, inputs: &str) -> Result<Manifest> {
        let what = format!("compile for nginx {} on {}", self.version, self.arch);
        let _bar = self.ground.progress.spinner(&what);
        let (modules, resolvers) = (self.products(&self.purpose("build")), self.products(OF_RESOLVERS));
        let mut artifacts = Vec::new();
        let mut publish = |products: &Path, library: &str, kind: &str, name: String| -> Result<()> {
            let content = read(products, library)?;
            let facts = ElfFacts::parse(&content).with_context(|| name.clone())?;
            let file = format!("{name}.so");
            atomic::write(&folder.join(&file), &content)?;
            artifacts.push(Built {
                name,
                kind: kind.to_owned(),
                file,
                sha256: sha256(&content),
                size: content.len() as u64,
                glibc_floor: facts.glibc_floor.map(|floor| floor.to_string()),
                source_digest: source_digest.to_owned(),
                inputs: inputs.to_owned(),
            });
            Ok(())
        };
        self.cargo(&["build", "--package", PACKAGE, "--features", WRONG], &[])
            .with_context(|| what.clone())?;
        publish(&modules, MODULE, "nginx-module", format!("{WRONG}/{MODULE}"))?;
        self.cargo(&["build", "--workspace"], &[]).with_context(|| what)?;
        publish(&modules, MODULE, "nginx-module", MODULE.to_owned())?;
        publish(&modules, FIXTURE, "resolver", FIXTURE.to_owned())?;
        self.build_resolvers()?;
        for (name, package) in RESOLVERS {
            publish(&resolvers, package, "resolver", name.to_owned())?;
        }
        let image_digest = self.toolchain.digest.clone();
        let manifest = Manifest { target: self.arch.debian_target(), image_digest, artifacts };
        manifest.write(folder)?;
        Ok(manifest)
    }

    /// Where cargo puts what it makes for a purpose.
    fn products(&self, purpose: &str) -> PathBuf {
        self.build_folder().join(purpose).join(self.arch.debian_target()).join("release")
    }

    fn build_resolvers(&self) -> Result<()> {
        let engine = self.ground.engine([])?;
        let workshop = Workshop { ground: self.ground, engine: engine.as_ref(), toolchain: &self.toolchain };
        let crates = vendor::ensure(&self.ground.repository, &self.ground.cache)?;
        let workspace = Workspace::read(&self.ground.repository)?;
        let mut environment = compile_rust::cargo_environment(OF_RESOLVERS);
        let mut argv: Vec<String> = ["/usr/bin/cargo", "build"].map(str::to_owned).to_vec();
        argv.extend(compile_rust::release_options(&self.arch.debian_target()));
        for (_, package) in RESOLVERS {
            argv.extend(["--package", package].map(str::to_owned));
            environment.push((format!("DYNLAB_SOURCE_DIGEST_{package}"), workspace.digest_of(package)?));
        }
        super::run_inside(&workshop, &argv, environment, Some(&crates), None)?;
        Ok(())
    }

    /// Runs a cargo command over the module's workspace.
    fn cargo(&self, command: &[&str], rest: &[&str]) -> Result<()> {
        let ground = self.ground;
        let crates = vendor::ensure(&ground.repository.join(WORKSPACE), &ground.cache)?;
        let output = self.build_folder();
        std::fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let mounts = vec![
            Mount::read_only(&ground.repository, inside::SOURCES),
            Mount::read_only(&crates, inside::CRATES),
            Mount::writable(&output, inside::BUILD),
            Mount::read_only(&self.headers.rootfs, HEADERS),
            Mount::read_only(self.libclang.rootfs.join("opt/libclang"), LIBCLANG),
        ];
        let engine = ground.engine([])?;
        let cwd = format!("{}/{WORKSPACE}", inside::SOURCES);
        let room = Room { engine: engine.as_ref(), image: &self.toolchain, mounts, cwd: &cwd };
        let mut argv = vec!["/usr/bin/cargo".to_owned()];
        argv.extend(command.iter().map(|&word| word.to_owned()));
        if command[0] != "fmt" {
            argv.extend(compile_rust::release_options(&self.arch.debian_target()));
        }
        argv.extend(rest.iter().map(|&word| word.to_owned()));
        room.run(&argv, self.environment(command[0]), None)?;
        Ok(())
    }

    /// What nginx-sys and bindgen want to know.
    fn environment(&self, command: &str) -> Vec<(String, String)> {
        let source = format!("{HEADERS}/usr/share/nginx/src");
        let gcc = gcc(self.arch);
        let target = self.arch.debian_target().replace('-', "_");
        let mut environment = compile_rust::cargo_environment(&self.purpose(command));
        let own = [
            ("NGINX_BUILD_DIR".to_owned(), format!("{source}/objs")),
            ("NGINX_SOURCE_DIR".to_owned(), source),
            ("LIBCLANG_PATH".to_owned(), LIBCLANG.to_owned()),
            // The headers of the nginx's own system; only what comes with a compiler is zig's.
            (
                "BINDGEN_EXTRA_CLANG_ARGS".to_owned(),
                format!("--sysroot={HEADERS} -isystem /opt/zig/lib/include"),
            ),
            // Preprocesses those headers, and links nothing.
            (format!("CC_{target}"), gcc.to_owned()),
            (format!("CFLAGS_{target}"), format!("--sysroot={HEADERS}")),
        ];
        environment.extend(own);
        environment
    }

    /// A folder for each set of headers, because cargo goes by times, and all files of images have the same.
    fn purpose(&self, command: &str) -> String {
        let digest = self.headers.digest.trim_start_matches("sha256:");
        let kind = if command == "clippy" { "nginx-checks" } else { "nginx" };
        format!("{kind}-{}", digest.get(..12).unwrap_or(digest))
    }

    fn build_folder(&self) -> PathBuf {
        super::build_folder_of(self.ground, &self.toolchain)
    }

    fn inputs(&self, source_digest: &str) -> Result<String> {
        let common = sources::digest_of_files(&self.ground.repository, [Path::new("Cargo.toml")])?;
        let images = [&self.toolchain, &self.headers, &self.libclang].map(|image| image.digest.as_str());
        let text = format!("{} {common} {source_digest}", images.join(" "));
        Ok(format!("sha256:{}", sha256(text.as_bytes())))
    }
}

/// The library that cargo has put into `folder`.
fn read(folder: &Path, library: &str) -> Result<Vec<u8>> {
    let file = folder.join(format!("lib{}.so", library.replace('-', "_")));
    std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// Over the sources of the module, of its fixture and of what they link of this repository, and the versions of all else.
pub(super) fn source_digest(repository: &Path) -> Result<String> {
    let folder = repository.join(WORKSPACE);
    let metadata = MetadataCommand::new()
        .current_dir(&folder)
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .with_context(|| format!("cannot read the workspace {WORKSPACE}"))?;
    let mut files = vec![folder.join("Cargo.lock")];
    let mut linked = Vec::new();
    for package in &metadata.packages {
        let manifest = package.manifest_path.as_std_path();
        files.extend(sources::sources_of(manifest.parent().context("a manifest lies in a folder")?)?);
        linked.extend(package.dependencies.iter().filter(|one| one.path.is_some()));
    }
    let files: Vec<PathBuf> = files
        .iter()
        .map(|file| file.strip_prefix(repository).map(Path::to_owned))
        .collect::<Result<_, _>>()?;
    let mut text = sources::digest_of_files(repository, files.iter().map(PathBuf::as_path))?;
    let workspace = Workspace::read(repository)?;
    let linked = linked.iter().map(|dependency| dependency.name.as_str());
    for package in linked.chain(RESOLVERS.map(|(_, package)| package)) {
        text.push_str(&workspace.digest_of(package)?);
    }
    Ok(format!("sha256:{}", sha256(text.as_bytes())))
}
