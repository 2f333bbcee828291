//! Two builds of a copy of the repository: they are the same, or it is said where they are not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::tool::{Lab, skip};

/// A clone of what is worked on, to be spoilt, and a folder for builds that every user can enter, to which a link leads.
struct Clone {
    folder: TempDir,
}

impl Clone {
    /// `None`, after saying why, where no sandbox works.
    fn new() -> Option<Clone> {
        Lab::new()?;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let clone = Clone { folder };
        let listed = git(root(), &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        for name in listed.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            let name = std::str::from_utf8(name).unwrap();
            let (from, to) = (root().join(name), clone.repository().join(name));
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        git(&clone.repository(), &["init", "--quiet"]);
        fs::create_dir(clone.scratch()).unwrap();
        symlink(clone.scratch(), clone.root().join("link")).unwrap();
        Some(clone)
    }

    /// As builds are told to lie: without any link.
    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn repository(&self) -> PathBuf {
        self.root().join("clone")
    }

    fn scratch(&self) -> PathBuf {
        self.root().join("scratch")
    }

    /// `xtask repro` with these options.
    fn repro(&self, options: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["repro", "--scratch"]).arg(self.root().join("link")).args(options);
        command.env("CARGO_MANIFEST_DIR", self.repository().join("xtask")).env_remove("DYNLAB_ENGINE");
        let output = command.output().unwrap();
        let left: Vec<_> = fs::read_dir(self.scratch()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        output
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn git(folder: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new("git").arg("-C").arg(folder).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// It ended with `code` and said all `parts`.
fn check(output: &Output, code: i32, parts: &[&str]) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    for part in parts {
        assert!(stdout.contains(part) || stderr.contains(part), "{part:?} is not in: {stdout}\n{stderr}");
    }
}

#[test]
fn reports_are_rendered_elsewhere_and_compared() {
    let Some(clone) = Clone::new() else { return };
    let page = clone.repository().join("bench-results/matrix/README.md");
    let user = if geteuid().is_root() { "somebody-else (54321:54321)" } else { "somebody-else (0:0)" };
    let same = clone.repro(&["--once", "--part", "reports"]);
    check(
        &same,
        0,
        &["umask", "<+1345>-13:45", "tr_TR.UTF-8", "another-host", user, "reports: ", "all the same"],
    );

    let text = fs::read_to_string(&page).unwrap();
    let line = text.lines().position(|line| line.contains("| works |")).unwrap() + 1;
    fs::write(&page, text.replacen("| works |", "| fails |", 1)).unwrap();
    let place = format!("bench-results/matrix/README.md: line {line}\n");
    let (first, second) = (clone.repository(), clone.scratch());
    let sides = [first, second].map(|folder| folder.display().to_string());
    let other = clone.repro(&["--once", "--part", "reports"]);
    check(&other, 1, &[&place, "| fails |", "| works |", &sides[0], &sides[1], "error: 1 of the files"]);
    // Rendered in copies, both times.
    let copies = clone.repro(&["--part", "reports"]);
    check(&copies, 0, &["/one/repository", "first build: cargo xtask matrix render", "all the same"]);
}

#[test]
fn what_cannot_be_built_is_told_with_the_command_and_the_build() {
    let Some(clone) = Clone::new() else { return };
    let report = clone.repository().join("bench-results/matrix/matrix.json");
    fs::write(&report, "{}").unwrap();
    let output = clone.repro(&["--once", "--part", "reports"]);
    let failed = "reports: FAILED: `cargo xtask matrix render` ended with exit status: 2 in the second build";
    check(&output, 2, &[failed, "error: reports failed, and why stands above"]);
}

/// Whether this machine has that image, from which it also has what the image is made of; says it if not.
fn is_made(name: &str) -> bool {
    let listed = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["images", "list"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = listed.lines().find(|line| line.split(' ').next() == Some(name));
    let is_made = line.is_some_and(|line| line.ends_with(" unpacked") && !line.ends_with("not unpacked"));
    if !is_made {
        skip::<()>(&format!("the image `{name}` is not made; `cargo xtask images build {name}` does that"));
    }
    is_made
}

#[test]
fn images_are_made_in_two_copies_and_one_that_differs_is_told_of_both() {
    let image = "bookworm-x86_64-musl";
    let Some(clone) = Clone::new().filter(|_| is_made(image)) else { return };
    let options = ["--part", "images", "--image", image];
    let commands =
        ["first", "second"].map(|name| format!("{name} build: cargo xtask images verify --beside "));
    let parts = ["/one/repository", &commands[0], &commands[1], "images: all as their locks say"];
    check(&clone.repro(&options), 0, &parts);

    let lock = clone.repository().join(format!("containers/hosts/{image}.lock"));
    let text = fs::read_to_string(&lock).unwrap();
    let digest = text.split("\nimage = \"sha256:").nth(1).unwrap()[..64].to_owned();
    fs::write(&lock, text.replace(&digest, &"0".repeat(64))).unwrap();
    let found = clone.repro(&options);
    let failures =
        ["first", "second"].map(|name| format!("{image}` found a difference in the {name} build, in "));
    check(&found, 1, &[&failures[0], &failures[1], &digest, "error: images failed, and why stands above"]);
}

/// `lab.toml` with one plugin, compiled from `source`.
fn lab(source: &str) -> String {
    format!(
        "program = []\nscenario = []\nmodule = []\n\
         foreign = {{ arch = \"elf.machine\", libc = \"libc.family\" }}\n\
         [[target]]\ntriple = \"x86_64-unknown-linux-gnu\"\nglibc_floor = \"2.17\"\n\
         [hosts]\nsuites = [\"bullseye\", \"bookworm\", \"trixie\"]\narches = [\"x86_64\", \"aarch64\"]\nlibcs = [\"gnu\", \"musl\"]\n\
         [nginx]\nversions = [\"1.22\", \"1.26\"]\narches = [\"x86_64\", \"aarch64\"]\n\
         foreign = {{ arch = \"elf.machine\", version = \"nginx.version\" }}\n\
         [[artifact]]\nname = \"seeded\"\nkind = \"handler\"\nc = {{ source = \"{source}\", compiler = \"gcc\" }}\n"
    )
}

#[test]
fn a_build_that_takes_the_time_is_found_by_section_and_offset() {
    let Some(clone) = Clone::new().filter(|_| is_made("toolchain")) else { return };
    // A header or a script may say when its file was written; the copy is written later.
    let source = "plugins/fixtures/seeded.c";
    let file = clone.repository().join(source);
    fs::write(clone.repository().join("lab.toml"), lab(source)).unwrap();
    let artifacts = ["--once", "--part", "artifacts"];

    let text = |when: &str| {
        format!(
            "__attribute__((visibility(\"default\"))) const char seeded[] = \"1234567 made at \" {when};\n"
        )
    };
    fs::write(&file, text("\"noon\"")).unwrap();
    check(&clone.repro(&artifacts), 0, &["artifacts: 2 files", "all the same"]);

    fs::write(&file, text("__TIMESTAMP__")).unwrap();
    let old = fs::File::options().write(true).open(&file).unwrap();
    old.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let different = clone.repro(&artifacts);
    let parts = [
        "dist/x86_64-unknown-linux-gnu/plugins/seeded.so: section .rodata, offset 0x1",
        "Sun Sep  9 01:46:40 2001",
        "likely cause: a time stamp: ",
        "SOURCE_DATE_EPOCH",
        "error: 2 of the files are not the same in both builds",
    ];
    check(&different, 1, &parts);

    // A part that cannot be built keeps none behind it from being looked at.
    fs::write(&file, "#error on purpose\n").unwrap();
    let failed = clone.repro(&["--once", "--part", "artifacts", "--part", "reports"]);
    let parts = [
        "artifacts: FAILED: `cargo xtask build --target x86_64-unknown-linux-gnu` ended with exit status: 2 in the first build",
        "artifacts: FAILED: `cargo xtask build --target x86_64-unknown-linux-gnu` ended with exit status: 2 in the second build",
        "reports: ",
        "all the same",
        "error: artifacts failed, and why stands above",
    ];
    check(&failed, 2, &parts);
}
