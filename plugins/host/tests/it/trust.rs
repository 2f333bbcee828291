//! Files that somebody else could have written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use crate::lab::Lab;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn check(lab: &Lab, path: &Path, code: &str, says: &str) {
    let error = lab.load(path).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn files_that_others_can_write_are_refused() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    for mode in [0o666, 0o646, 0o664] {
        set_mode(&path, mode);
        check(&lab, &path, "file.mode", "chmod go-w");
    }
    set_mode(&path, 0o600);
    lab.load(&path).unwrap();
}

#[test]
fn folders_that_others_can_write_are_refused() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    let folder = path.parent().unwrap();
    for mode in [0o777, 0o1777, 0o770] {
        set_mode(folder, mode);
        check(&lab, &path, "file.mode", "the folder");
    }
    set_mode(folder, 0o755);
    lab.load(&path).unwrap();
}

#[test]
fn links_folders_and_pipes_are_no_plugins() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    symlink(&path, lab.path("link.so")).unwrap();
    check(&lab, &lab.path("link.so"), "file.type", "is a symbolic link");
    fs::create_dir(lab.path("folder.so")).unwrap();
    check(&lab, &lab.path("folder.so"), "file.type", "is a folder");
    crate::lab::run(std::process::Command::new("mkfifo").arg(lab.path("pipe.so")));
    check(&lab, &lab.path("pipe.so"), "file.type", "is a pipe");
    check(&lab, &lab.path("none.so"), "file.unreadable", "cannot open");
    check(&lab, &lab.path("none/a.so"), "file.unreadable", "cannot open");
}

#[test]
fn a_link_that_is_swapped_in_leads_nowhere() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    fs::rename(&path, lab.path("elsewhere.so")).unwrap();
    symlink(lab.path("elsewhere.so"), &path).unwrap();
    check(&lab, &path, "file.type", "is a symbolic link");
}

#[test]
fn files_of_a_third_user_are_refused() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    if let Err(error) = chown(&path, Some(4711), None) {
        // Only root may give files away.
        eprintln!("skipped: cannot make a file of another user here: {error}");
        return;
    }
    check(&lab, &path, "file.owner", "belongs to user 4711");
}
