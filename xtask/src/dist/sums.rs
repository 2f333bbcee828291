//! `SHA256SUMS`: what `sha256sum --check` reads.

use std::collections::BTreeMap;

use crate::build::sha256;

/// The name under which everybody looks for it.
pub(super) const FILE: &str = "SHA256SUMS";

/// A line for each of `files`, by name.
pub(super) fn text(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.iter().map(|(name, content)| format!("{}  {name}\n", sha256(content))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn sha256sum_verifies_them() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            BTreeMap::from([("a.tar.gz".to_owned(), b"one".to_vec()), ("b c".to_owned(), b"two".to_vec())]);
        for (name, content) in &files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        fs::write(folder.path().join(FILE), text(&files)).unwrap();
        let check = || {
            let mut command = Command::new("sha256sum");
            command
                .args(["--check", "--strict", FILE])
                .current_dir(folder.path())
                .output()
                .unwrap()
                .status
                .success()
        };
        assert!(check());
        fs::write(folder.path().join("b c"), "tow").unwrap();
        assert!(!check());
    }
}
