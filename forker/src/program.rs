//! The program that workers run: the file itself, held open, so that a worker started later runs what the others run even
//! where another file has taken its name.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A program as it was when it was taken.
#[derive(Debug)]
pub(crate) struct Program {
    file: File,
}

impl Program {
    /// The program of this process, and where it is found after it was replaced.
    pub(crate) fn of_this_process() -> io::Result<(Self, PathBuf)> {
        // Also where an emulator runs it: qemu answers for this name.
        let file = File::open("/proc/self/exe")?;
        let own = file.metadata()?;
        let called = std::env::args_os().next().unwrap_or_default();
        let candidates = candidates(&called, std::env::var_os("PATH").as_deref());
        let path = candidates.into_iter().find(|path| is_same(path, &own));
        let path = path.map_or_else(std::env::current_exe, std::path::absolute)?;
        Ok((Self { file }, path))
    }

    /// The program that lies there now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)? })
    }

    /// A descriptor for one start of it.
    pub(crate) fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// What to execute, given a descriptor that the child has, too.
pub(crate) fn executable(descriptor: &File) -> PathBuf {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd()).into()
}

/// Where a program may lie that was called so: links in the path stay, as they may point elsewhere later.
fn candidates(called: &OsStr, search_path: Option<&OsStr>) -> Vec<PathBuf> {
    let called = Path::new(called);
    if called.components().count() > 1 || called.is_absolute() {
        return vec![called.to_owned()];
    }
    search_path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join(called)).collect()
}

fn is_same(path: &Path, own: &Metadata) -> bool {
    std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let found = |called: &str| candidates(called.as_ref(), Some("/a:/b".as_ref()));
        assert_eq!(found("app"), [Path::new("/a/app"), Path::new("/b/app")]);
        assert_eq!(found("./app"), [Path::new("./app")]);
        assert_eq!(found("/opt/app"), [Path::new("/opt/app")]);
        assert_eq!(candidates("app".as_ref(), None), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_test_finds_itself() {
        let (_, path) = Program::of_this_process().unwrap();
        assert_eq!(path.canonicalize().unwrap(), std::env::current_exe().unwrap().canonicalize().unwrap());
    }
}
