use super::*;
use proptest::prelude::*;
use rustix::fs::{makedev, mkfifoat, symlinkat};
use std::fs;
use std::io::Read;

/// A folder `root` with a file outside of it.
struct Place {
    _folder: tempfile::TempDir,
    root: std::path::PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("outside"), "secret").unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        Place { _folder: folder, root }
    }

    fn with(self, links: &[(&str, &str)]) -> Place {
        for (name, target) in links {
            symlinkat(*target, CWD, self.root.join(name)).unwrap();
        }
        self
    }
}

/// What a path leads to, the same by the kernel and by hand.
fn look(place: &Place, path: &str) -> String {
    let names: Vec<Vec<u8>> =
        path.split('/').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect();
    let folder = open_folder(&place.root).unwrap();
    let outcome = |resolve| match open(folder.as_fd(), &names, resolve).map_err(Failure::from) {
        Ok(Found::Folder) => "a folder".to_owned(),
        Ok(Found::File(mut file)) => {
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            content
        }
        Err(failure) => format!("{failure:?}"),
    };
    let by_hand = outcome(walk);
    assert_eq!(outcome(resolve), by_hand, "{path}");
    if has_openat2() {
        assert_eq!(outcome(resolve_in_kernel), by_hand, "{path}");
    }
    by_hand
}

/// Whether the kernel can be asked; an emulator or a sandbox may say no.
fn has_openat2() -> bool {
    let here = open_folder(Path::new("/")).unwrap();
    !matches!(resolve_in_kernel(here.as_fd(), &[], LOOK), Err(Errno::NOSYS | Errno::PERM))
}

#[test]
fn files_and_folders_are_told_apart() {
    let place = Place::new();
    fs::create_dir(place.root.join("folder")).unwrap();
    fs::write(place.root.join("folder/file"), "content").unwrap();
    for (path, expected) in [
        ("", "a folder"),
        ("folder", "a folder"),
        ("folder/file", "content"),
        ("folder/none", "NotThere"),
        ("none/file", "NotThere"),
        ("folder/file/more", "NotThere"),
        (&"x".repeat(300), "NotThere"),
        (&"x/".repeat(3000), "NotThere"),
    ] {
        assert_eq!(look(&place, path), expected, "{path}");
    }
}

#[test]
fn links_are_followed_as_long_as_they_stay_inside() {
    let place = Place::new().with(&[
        ("beside", "file"),
        ("down", "folder/deep"),
        ("around", "folder/../file"),
        ("up", "../outside"),
        ("up-and-down", "../root/file"),
        ("absolute", "/etc/hostname"),
        ("to-itself", "to-itself"),
        ("nowhere", "none"),
        ("out", ".."),
        ("here", "."),
        ("as-a-folder", "file/"),
        ("chain", "beside"),
    ]);
    fs::write(place.root.join("file"), "content").unwrap();
    fs::create_dir(place.root.join("folder")).unwrap();
    fs::write(place.root.join("folder/deep"), "deep").unwrap();
    symlinkat("../file", CWD, place.root.join("folder/up")).unwrap();
    symlinkat("../../outside", CWD, place.root.join("folder/out")).unwrap();
    let absolute = place.root.join("file").into_os_string().into_string().unwrap();
    symlinkat(absolute.as_str(), CWD, place.root.join("absolute-inside")).unwrap();
    for (path, expected) in [
        ("beside", "content"),
        ("chain", "content"),
        ("down", "deep"),
        ("around", "content"),
        ("folder/up", "content"),
        ("here/here/file", "content"),
        ("here", "a folder"),
        ("up", "NotThere"),
        ("up-and-down", "NotThere"),
        ("absolute", "NotThere"),
        ("absolute-inside", "NotThere"),
        ("to-itself", "NotThere"),
        ("nowhere", "NotThere"),
        ("out", "NotThere"),
        ("out/outside", "NotThere"),
        ("folder/out", "NotThere"),
        ("as-a-folder", "NotThere"),
        ("beside/more", "NotThere"),
    ] {
        assert_eq!(look(&place, path), expected, "{path}");
    }
}

#[test]
fn only_regular_files_are_opened() {
    let place = Place::new().with(&[("to-fifo", "fifo")]);
    mkfifoat(CWD, place.root.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.root.join("socket")).unwrap();
    // Opening the FIFO for reading would wait for a writer, and this test with it.
    for path in ["fifo", "to-fifo", "socket"] {
        assert_eq!(look(&place, path), "NotThere", "{path}");
    }
    // Making devices needs root.
    let device = place.root.join("null");
    let made = rustix::fs::mknodat(CWD, &device, FileType::CharacterDevice, Mode::RUSR, makedev(1, 3));
    match made {
        Ok(()) => assert_eq!(look(&place, "null"), "NotThere"),
        Err(error) => eprintln!("skipped: a device cannot be made here ({error})"),
    }
}

#[test]
fn a_file_that_becomes_a_fifo_between_looking_and_opening_makes_nobody_wait() {
    fn swap(folder: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
        if flags == READ {
            rustix::fs::unlinkat(folder, "file", rustix::fs::AtFlags::empty())?;
            mkfifoat(folder, "file", Mode::RUSR)?;
        }
        walk(folder, names, flags)
    }
    let place = Place::new();
    fs::write(place.root.join("file"), "content").unwrap();
    let folder = open_folder(&place.root).unwrap();
    let outcome = open(folder.as_fd(), &[b"file".to_vec()], swap);
    assert_eq!(outcome.unwrap_err(), Errno::NOENT);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let place = Place::new();
    fs::write(place.root.join("0"), "content").unwrap();
    for number in 1..=41 {
        symlinkat(format!("{}", number - 1), CWD, place.root.join(number.to_string())).unwrap();
    }
    assert_eq!(look(&place, "40"), "content");
    assert_eq!(look(&place, "41"), "NotThere");
}

#[test]
fn what_a_kernel_without_openat2_cannot_do_is_done_by_hand() {
    for missing in [Errno::NOSYS, Errno::PERM, Errno::AGAIN] {
        assert!(is_no_answer(&Err(missing)));
    }
    for answer in [Errno::NOENT, Errno::XDEV, Errno::LOOP, Errno::ACCESS] {
        assert!(!is_no_answer(&Err(answer)));
    }
    let place = Place::new().with(&[("out", "../outside")]);
    fs::write(place.root.join("file"), "content").unwrap();
    let folder = open_folder(&place.root).unwrap();
    assert!(matches!(open(folder.as_fd(), &[b"file".to_vec()], walk), Ok(Found::File(_))));
    assert_eq!(open(folder.as_fd(), &[b"out".to_vec()], walk).unwrap_err(), Errno::XDEV);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Trees of files, folders and links of every shape: the kernel and the walk by hand agree on each path, and neither
    /// ever reads the file outside.
    #[test]
    fn the_kernel_and_the_walk_agree_and_nobody_gets_out(
        links in prop::collection::btree_map("[a-c](/[a-c])?", "(/|(\\.\\./){0,3})([a-c]|\\.|\\.\\.)(/([a-c]|\\.\\.|outside|root)){0,3}/?", 0..6),
        paths in prop::collection::vec("[a-c](/[a-c]){0,3}", 1..8),
    ) {
        let place = Place::new();
        fs::create_dir(place.root.join("a")).unwrap();
        fs::write(place.root.join("b"), "content").unwrap();
        for (name, target) in &links {
            // A name may be taken, or its folder be none.
            let _ = symlinkat(target.as_str(), CWD, place.root.join(name));
        }
        for path in &paths {
            let found = look(&place, path);
            prop_assert!(found != "secret", "{path} leads out by {links:?}");
        }
    }
}
