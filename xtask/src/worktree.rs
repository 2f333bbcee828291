//! The files of the repository, as git sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Every file that git knows or does not ignore, relative to `repository`.
///
/// # Errors
/// This is no clone, or there is no git.
pub(crate) fn files(repository: &Path) -> Result<Vec<PathBuf>> {
    let listed = process::run(Command::new("git").arg("-C").arg(repository).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("the repository is copied as git lists it; run this in a clone with git installed")?;
    let mut files = Vec::new();
    for name in listed.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let name = Path::new(std::str::from_utf8(name).context("a file's name is no text")?);
        // One that git knows and somebody has just removed is none.
        if repository.join(name).is_file() {
            files.push(name.to_owned());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn everything_is_listed_that_is_there_and_that_git_does_not_ignore() {
        let folder = tempfile::tempdir().unwrap();
        let files_of_all =
            [(".gitignore", "/dist/\n"), ("a/b.rs", "code"), ("dist/x.so", "built"), ("gone", "")];
        for (name, text) in files_of_all {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let git = |words: &[&str]| {
            process::run(Command::new("git").arg("-C").arg(folder.path()).args(words)).unwrap()
        };
        git(&["init", "--quiet"]);
        git(&["add", "gone"]);
        fs::remove_file(folder.path().join("gone")).unwrap();
        let mut listed = files(folder.path()).unwrap();
        listed.sort();
        assert_eq!(listed, [PathBuf::from(".gitignore"), PathBuf::from("a/b.rs")]);
    }
}
