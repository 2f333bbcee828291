//! What is in the image, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::image::{Release, release};

/// Of all its files, in bytes: more than it has today, and less than a shell with its tools would add.
const LARGEST: u64 = 22_000_000;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let found = entries.flat_map(|entry| {
        if entry.file_type().unwrap().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] }
    });
    found.collect()
}

fn with(test: impl Fn(&Release, &[String])) {
    let release = match release() {
        Ok(release) => release,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let files: Vec<String> = files_below(&release.rootfs)
        .iter()
        .map(|path| path.strip_prefix(&release.rootfs).unwrap().to_string_lossy().into_owned())
        .collect();
    test(&release, &files);
}

#[test]
fn there_are_three_programs_and_no_more() {
    with(|release, files| {
        let is_program = |file: &&String| {
            let metadata = fs::symlink_metadata(release.rootfs.join(file)).unwrap();
            metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && !file.contains(".so")
        };
        let mut programs: Vec<&String> = files.iter().filter(is_program).collect();
        programs.sort();
        // No shell, no package manager, no compiler, no curl, no wget.
        assert_eq!(programs, ["usr/bin/backend", "usr/bin/ngx-backend", "usr/sbin/nginx"]);
        assert!(release.size < LARGEST, "{} bytes", release.size);
    });
}

#[test]
fn nobody_but_root_can_change_anything() {
    with(|release, files| {
        for file in files {
            let metadata = fs::symlink_metadata(release.rootfs.join(file)).unwrap();
            let mode = metadata.permissions().mode();
            assert!(metadata.is_symlink() || mode & 0o6022 == 0, "{file}: {mode:o}");
        }
    });
}

#[test]
fn every_package_and_crate_has_its_licence_there() {
    with(|release, files| {
        for package in [
            "libc6",
            "libcrypt1",
            "libpcre2-8-0",
            "libssl3t64",
            "libstd-rust-web-dev",
            "libzstd1",
            "nginx",
            "zlib1g",
        ] {
            let copyright = format!("usr/share/doc/{package}/copyright");
            assert!(files.contains(&copyright), "{copyright}");
        }
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(files.contains(&format!("usr/share/doc/ngx-backend/{licence}")), "{licence}");
        }
        // And every crate.
        let crates = fs::read_to_string(release.rootfs.join("usr/share/doc/ngx-backend/CRATES")).unwrap();
        for part in ["redb-", "hyper-", "ngx-", "Apache License", "Permission is hereby granted"] {
            assert!(crates.contains(part), "{part}");
        }
    });
}
