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
    path: PathBuf,
}

impl Program {
    /// The program of this process.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        // Also where an emulator runs it: qemu answers for this name.
        let file = File::open("/proc/self/exe")?;
        let called = std::env::args_os().next().unwrap_or_default();
        let candidates = candidates(&called, std::env::var_os("PATH").as_deref());
        let path = candidates.into_iter().find(|path| is_there(path, &file));
        let path = path.map_or_else(std::env::current_exe, std::path::absolute)?;
        Ok(Self { file, path })
    }

    /// The program that lies there now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.to_owned() })
    }

    /// Where it was found, and where another will be that replaces it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor for one start of it.
    pub(crate) fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// What to execute, given a descriptor that the child has, too. Its path as long as it is there: under an emulator the
    /// process could not find itself otherwise.
    pub(crate) fn executable(&self, descriptor: &File) -> PathBuf {
        if is_there(&self.path, &self.file) {
            return self.path.clone();
        }
        format!("/proc/self/fd/{}", descriptor.as_raw_fd()).into()
    }
}

/// Where a program may lie that was called so: links in the path stay, as they may point elsewhere later.
fn candidates(called: &OsStr, search_path: Option<&OsStr>) -> Vec<PathBuf> {
    let called = Path::new(called);
    if called.components().count() > 1 || called.is_absolute() {
        return vec![called.to_owned()];
    }
    search_path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join(called)).collect()
}

fn is_there(path: &Path, file: &File) -> bool {
    let identity = |found: Metadata| (found.dev(), found.ino());
    let (there, own) = (std::fs::metadata(path).map(identity), file.metadata().map(identity));
    matches!((there, own), (Ok(there), Ok(own)) if there == own)
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
        let program = Program::of_this_process().unwrap();
        let here = std::env::current_exe().unwrap().canonicalize().unwrap();
        assert_eq!(program.path().canonicalize().unwrap(), here);
    }

    #[test]
    fn a_program_whose_name_was_taken_is_still_executed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, "old").unwrap();
        let program = Program::at(&path).unwrap();
        let descriptor = program.descriptor().unwrap();
        assert_eq!(program.executable(&descriptor), path);
        std::fs::write(folder.path().join("new"), "new").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(std::fs::read_to_string(program.executable(&descriptor)).unwrap(), "old");
    }
}
