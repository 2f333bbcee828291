//! What is built twice: by which commands, and where that lies afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::build::{TOOLCHAIN, compilers};
use crate::dist;
use crate::engine;
use crate::flags::ReproFlags;
use crate::lab::{Arch, Lab, Libc, Nginx, Target};

/// Something that is built as a whole. In the order in which one needs the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Images, from the files that their locks name.
    Images,
    /// Files that are odd in one way each, opened in every host, and predictions for modules of others, compared with the committed report.
    Inspect,
    /// Programs, plugins and fixtures.
    Artifacts,
    /// The nginx module, for every nginx.
    Nginx,
    /// The release image of ngx-backend.
    Release,
    /// The archives of a release, and what is said about them.
    Dist,
    /// The matrix, with everything loaded anew, its report, and what other compilers build for it.
    Matrix,
    /// What is rendered from raw files: pages, tables, the C header.
    Reports,
}

/// What of all parts is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// In their order.
    pub(crate) parts: BTreeSet<Part>,
    /// Triples; all of `lab.toml` unless some were asked for.
    pub(crate) targets: Vec<String>,
    /// Those of `lab.toml` that are of these targets.
    pub(crate) nginxes: Vec<Nginx>,
    /// Names; empty for all.
    pub(crate) images: Vec<String>,
    /// Names of the images whose modules are inspected, each in one architecture and suite of the hosts.
    pub(crate) galleries: Vec<String>,
    /// On fewer cores it would take too long.
    pub(crate) fewest_cores: usize,
}

/// Files that both builds have made, relative to the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Product {
    /// A folder with a manifest: that, and every file in it.
    Manifested(PathBuf),
    /// A folder with everything in it.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
}

/// Files outside of the reports' folder that are rendered, whole or in part.
const RENDERED: [&str; 2] = ["README.md", "plugins/abi/include/dynlab_plugin.h"];
/// The reports' folder.
const REPORTS: &str = "bench-results";
/// An image with a step, so that CI sees one run: the smallest.
const STEPPED_IMAGE: &str = "peer-epoll";

impl Selection {
    /// What the flags ask for, and what they leave out, in words.
    ///
    /// # Errors
    /// An unknown target; the matrix of some targets.
    pub(crate) fn of(flags: &ReproFlags, lab: &Lab) -> Result<(Selection, Vec<String>)> {
        let mut parts: BTreeSet<Part> = flags.parts.iter().copied().collect();
        let mut left_out = Vec::new();
        if parts.is_empty() {
            parts.extend(Part::value_variants());
            if !flags.targets.is_empty() {
                parts.remove(&Part::Matrix);
                left_out.push("the matrix, which is of all targets".to_owned());
                parts.remove(&Part::Inspect);
                left_out.push("what is inspected, which is of all hosts".to_owned());
            }
        } else if parts.contains(&Part::Matrix) && !flags.targets.is_empty() {
            bail!("the matrix is of all targets; leave out --target, or --part matrix");
        }
        let targets = lab.select_targets(&flags.targets)?;
        let targets: Vec<String> = targets.iter().map(|target| target.triple.clone()).collect();
        let nginxes = nginxes_of(&targets, lab);
        let images = flags.images.clone();
        let galleries = if parts.contains(&Part::Inspect) { galleries_of(lab) } else { Vec::new() };
        // What is loaded has some seconds for that, under emulation, too: one core of two would be too slow.
        let loads = parts.contains(&Part::Matrix) || parts.contains(&Part::Inspect);
        let fewest_cores = if loads { 2 } else { 1 };
        Ok((Selection { parts, targets, nginxes, images, galleries, fewest_cores }, left_out))
    }

    /// What is cheap enough for every push: this machine's own target, images that are small, and what is rendered.
    pub(crate) fn for_ci(lab: &Lab) -> Selection {
        let is_own = |target: &&Target| target.arch == engine::native() && target.libc == Libc::Gnu;
        let mut images: Vec<String> = lab.hosts.iter().map(|host| host.name.clone()).collect();
        images.push(STEPPED_IMAGE.to_owned());
        let targets: Vec<String> =
            lab.targets.iter().filter(is_own).map(|target| target.triple.clone()).collect();
        Selection {
            parts: [Part::Images, Part::Artifacts, Part::Reports].into(),
            nginxes: nginxes_of(&targets, lab),
            targets,
            images,
            galleries: Vec::new(),
            fewest_cores: 2,
        }
    }

    /// The architectures of the targets that nginx is there for.
    fn arches(&self) -> BTreeSet<Arch> {
        self.nginxes.iter().map(|nginx| nginx.arch).collect()
    }

    /// Whether anything of it is compiled.
    pub(crate) fn compiles(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Images | Part::Reports))
    }

    /// Whether anything of it is made of the nginx module.
    pub(crate) fn needs_module(&self) -> bool {
        let mut of_module = [Part::Nginx, Part::Release, Part::Dist, Part::Matrix].iter();
        !self.nginxes.is_empty() && of_module.any(|part| self.parts.contains(part))
    }

    /// The images that building needs, beside those that are made anew.
    pub(crate) fn needed_images(&self, lab: &Lab) -> Vec<String> {
        let mut names = BTreeSet::new();
        let has = |part: Part| self.parts.contains(&part);
        if self.compiles() {
            names.insert(TOOLCHAIN.to_owned());
        }
        if self.needs_module() {
            names.insert("libclang".to_owned());
            let headers = |nginx: &Nginx| format!("nginx-dev-{}-{}", nginx.version, nginx.arch);
            names.extend(self.nginxes.iter().map(headers));
        }
        if has(Part::Release) {
            names.extend(self.arches().iter().map(|arch| format!("ngx-backend-base-{arch}")));
        }
        if has(Part::Matrix) || has(Part::Inspect) {
            names.insert("emulator".to_owned());
            names.extend(lab.hosts.iter().map(|host| host.name.clone()));
        }
        if has(Part::Inspect) {
            names.extend(self.galleries.iter().cloned());
        }
        if has(Part::Matrix) {
            names.extend(lab.nginxes.iter().map(|nginx| nginx.name.clone()));
            names.extend(lab.compilers.iter().map(|compiler| compiler.image().to_owned()));
        }
        names.into_iter().collect()
    }

    /// Those that the parts behind `part` need.
    pub(crate) fn images_needed_after(&self, part: Part, lab: &Lab) -> Vec<String> {
        let parts = self.parts.iter().copied().filter(|other| *other > part).collect();
        Selection { parts, ..self.clone() }.needed_images(lab)
    }
}

fn galleries_of(lab: &Lab) -> Vec<String> {
    let platforms = lab.hosts.iter().filter_map(|host| host.name.strip_suffix("-gnu"));
    platforms.map(|platform| format!("gallery-{platform}")).collect()
}

fn nginxes_of(targets: &[String], lab: &Lab) -> Vec<Nginx> {
    let is_wanted = |nginx: &&Nginx| targets.contains(&nginx.arch.debian_target());
    lab.nginxes.iter().filter(is_wanted).cloned().collect()
}

impl Part {
    /// What it is called where its outcome is told.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The commands of xtask that build it. In `own`, the clone that is worked in, nothing is made anew that is committed or locked.
    /// `beside` is a folder of images to compare with.
    pub(crate) fn commands(self, selection: &Selection, own: bool, beside: &Path) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let with_each = |command: &[&str], flag: &str, values: Vec<String>| {
            let mut command = words(command);
            command.extend(values.into_iter().flat_map(|value| [flag.to_owned(), value]));
            command
        };
        let arches = || selection.arches().iter().map(Arch::to_string).collect::<Vec<_>>();
        match self {
            Part::Images | Part::Inspect | Part::Reports if own => Vec::new(),
            Part::Images => {
                let beside = beside.display().to_string();
                let mut command = words(&["images", "verify", "--beside", &beside]);
                command.extend(selection.images.iter().cloned());
                vec![command]
            }
            Part::Inspect => {
                let mut make = words(&["images", "build"]);
                make.extend(selection.galleries.iter().cloned());
                vec![make, words(&["ci", "inspect", "--require", "gallery"])]
            }
            Part::Artifacts => vec![with_each(&["build"], "--target", selection.targets.clone())],
            Part::Nginx => arches().iter().map(|arch| words(&["nginx", "--arch", arch])).collect(),
            Part::Release if arches().is_empty() => Vec::new(),
            Part::Release => vec![with_each(&["release"], "--arch", arches())],
            Part::Dist => vec![with_each(&["dist"], "--target", selection.targets.clone())],
            Part::Matrix if own => vec![words(&["matrix", "--check"])],
            Part::Matrix => vec![words(&["matrix"])],
            // Last, what no command renders alone is rendered and compared there.
            Part::Reports => {
                let all =
                    [&["codegen"][..], &["matrix", "render"], &["bench", "render"], &["ci", "generated"]];
                all.map(words).to_vec()
            }
        }
    }

    /// What it makes. Images and predictions are compared where they are made.
    pub(crate) fn products(self, selection: &Selection) -> Vec<Product> {
        let built_for = |target: &str| Path::new("dist").join(target);
        let of_nginx = |rest: &str| {
            let folders = selection
                .nginxes
                .iter()
                .map(|nginx| built_for(&nginx.arch.debian_target()).join(format!("nginx-{}", nginx.version)));
            folders.map(|folder| Product::Manifested(folder.join(rest))).collect::<Vec<_>>()
        };
        match self {
            Part::Images | Part::Inspect => Vec::new(),
            Part::Artifacts => {
                selection.targets.iter().map(|target| Product::Manifested(built_for(target))).collect()
            }
            Part::Nginx => of_nginx(""),
            Part::Release => {
                let folder = |arch: Arch| built_for(&arch.debian_target()).join("ngx-backend");
                let products = |arch: Arch| {
                    [Product::Manifested(folder(arch)), Product::File(folder(arch).join("image.tar"))]
                };
                selection.arches().into_iter().flat_map(products).collect()
            }
            Part::Dist => vec![Product::Folder(dist::FOLDER.into())],
            Part::Matrix => {
                let mut products = of_nginx("fixtures");
                let of_compilers =
                    selection.targets.iter().map(|target| built_for(target).join(compilers::FOLDER));
                products.extend(of_compilers.map(Product::Manifested));
                products.push(Product::Folder(Path::new(REPORTS).join("matrix")));
                products
            }
            Part::Reports => {
                let mut products = vec![Product::Folder(REPORTS.into())];
                products.extend(RENDERED.map(|file| Product::File(file.into())));
                products
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        Lab::read(&crate::paths::repository().unwrap()).unwrap()
    }

    #[test]
    fn everything_is_built_unless_something_is_asked_for() {
        let lab = lab();
        let (all, left_out) = Selection::of(&ReproFlags::default(), &lab).unwrap();
        assert_eq!((all.parts.len(), all.targets.len()), (Part::value_variants().len(), lab.targets.len()));
        assert!(left_out.is_empty() && all.images.is_empty());
        let needed = all.needed_images(&lab);
        for name in ["toolchain", "emulator", "libclang", "nginx-dev-1.26-aarch64", "ngx-backend-base-x86_64"]
        {
            assert!(needed.contains(&name.to_owned()), "{name} is not in {needed:?}");
        }
        assert!(lab.hosts.iter().all(|host| needed.contains(&host.name)));
        assert!(lab.compilers.iter().all(|compiler| needed.contains(&compiler.image().to_owned())));
        let of_compilers = Product::Manifested("dist/aarch64-unknown-linux-musl/compilers".into());
        assert!(Part::Matrix.products(&all).contains(&of_compilers));
        assert_eq!(all.fewest_cores, 2, "half of two cores is too little for the matrix");
        let locks = std::fs::read_dir(crate::paths::repository().unwrap().join("containers/gallery"));
        let names = locks.unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let galleries: BTreeSet<String> =
            names.filter_map(|name| Some(name.strip_suffix(".lock")?.to_owned())).collect();
        assert_eq!(galleries, all.galleries.iter().cloned().collect());
        assert!(galleries.iter().all(|gallery| needed.contains(gallery)), "{needed:?}");
        let later = all.images_needed_after(Part::Inspect, &lab);
        assert!(later.iter().all(|name| needed.contains(name) && !galleries.contains(name)), "{later:?}");
        assert!(later.contains(&lab.hosts[0].name) && later.contains(&"libclang".to_owned()));
        assert!(all.images_needed_after(Part::Matrix, &lab).is_empty());

        let musl = ReproFlags { targets: vec!["x86_64-*-musl".into()], ..ReproFlags::default() };
        let (some, left_out) = Selection::of(&musl, &lab).unwrap();
        assert!(!some.parts.contains(&Part::Matrix) && left_out[0].contains("matrix"));
        assert!(!some.parts.contains(&Part::Inspect) && left_out[1].contains("inspected"));
        assert_eq!(some.targets, ["x86_64-unknown-linux-musl"]);
        assert_eq!(some.fewest_cores, 1);
        // There is no nginx for musl.
        assert!(Part::Nginx.commands(&some, false, Path::new("")).is_empty());
        assert!(Part::Release.commands(&some, false, Path::new("")).is_empty());
        let both = ReproFlags { parts: vec![Part::Matrix], ..musl };
        assert!(Selection::of(&both, &lab).unwrap_err().to_string().contains("--part matrix"));
    }

    #[test]
    fn whatever_is_made_of_the_module_has_what_that_is_built_with() {
        let lab = lab();
        for part in Part::value_variants() {
            let of = |target: &str| {
                let targets = vec![target.to_owned()];
                let nginxes = nginxes_of(&targets, &lab);
                let (images, galleries) = (Vec::new(), Vec::new());
                Selection { parts: [*part].into(), targets, nginxes, images, galleries, fewest_cores: 1 }
            };
            let (gnu, musl) = (of("x86_64-unknown-linux-gnu"), of("x86_64-unknown-linux-musl"));
            let is_of_it = matches!(part, Part::Nginx | Part::Release | Part::Dist | Part::Matrix);
            assert_eq!((gnu.needs_module(), musl.needs_module()), (is_of_it, false), "{part:?}");
            let has =
                |selection: &Selection, name: &str| selection.needed_images(&lab).contains(&name.to_owned());
            for name in ["libclang", "nginx-dev-1.22-x86_64", "nginx-dev-1.26-x86_64"] {
                assert_eq!((has(&gnu, name), has(&musl, name)), (is_of_it, false), "{part:?} {name}");
            }
            assert!(!has(&gnu, "nginx-dev-1.26-aarch64"), "{part:?}");
            assert_eq!(has(&gnu, TOOLCHAIN), gnu.compiles(), "{part:?}");
        }
    }

    #[test]
    fn the_selection_of_ci_is_of_one_target_and_names_images_that_there_are() {
        let lab = lab();
        let selection = Selection::for_ci(&lab);
        assert_eq!(selection.targets, [engine::native().debian_target()]);
        assert_eq!(selection.needed_images(&lab), [TOOLCHAIN]);
        let containers = crate::paths::repository().unwrap().join("containers");
        assert!(containers.join("peers/epoll").join(format!("{STEPPED_IMAGE}.lock")).is_file());
        let folder = Path::new("dist").join(&selection.targets[0]);
        assert_eq!(Part::Artifacts.products(&selection), [Product::Manifested(folder)]);
    }

    #[test]
    fn commands_are_those_that_a_user_would_give() {
        let targets = vec!["x86_64-unknown-linux-gnu".into(), "aarch64-unknown-linux-musl".into()];
        let selection = Selection {
            parts: BTreeSet::new(),
            nginxes: nginxes_of(&targets, &lab()),
            targets,
            images: vec!["toolchain".into()],
            galleries: vec!["gallery-a".into(), "gallery-b".into()],
            fewest_cores: 1,
        };
        let lines = |part: Part, own| {
            let commands = part.commands(&selection, own, Path::new("/cache"));
            commands.iter().map(|command| command.join(" ")).collect::<Vec<_>>()
        };
        let build = "build --target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-musl";
        assert_eq!(lines(Part::Artifacts, true), [build]);
        assert_eq!(lines(Part::Dist, false), [build.replace("build", "dist")]);
        assert_eq!(lines(Part::Images, false), ["images verify --beside /cache toolchain"]);
        assert!(lines(Part::Images, true).is_empty() && lines(Part::Reports, true).is_empty());
        assert_eq!(
            lines(Part::Inspect, false),
            ["images build gallery-a gallery-b", "ci inspect --require gallery"]
        );
        assert!(lines(Part::Inspect, true).is_empty());
        assert_eq!(lines(Part::Nginx, false), ["nginx --arch x86_64"]);
        assert_eq!(lines(Part::Release, false), ["release --arch x86_64"]);
        assert_eq!(
            (lines(Part::Matrix, true), lines(Part::Matrix, false)),
            (vec!["matrix --check".into()], vec!["matrix".into()])
        );
    }
}
