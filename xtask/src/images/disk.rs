//! Errors of the disk in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A disk that is being written to.
pub(super) struct Room {
    /// A folder on it that stays, unlike those that are being filled.
    pub(super) folder: PathBuf,
    /// About how many bytes the work needs in all.
    pub(super) needed: u64,
}

impl Room {
    pub(super) fn explain(&self, error: io::Error) -> anyhow::Error {
        explain(error, &self.folder, self.needed)
    }
}

/// Turns an error of writing below `folder` into a sentence; `needed` is about how many bytes the work needs.
pub(super) fn explain(error: io::Error, folder: &Path, needed: u64) -> anyhow::Error {
    let shown = folder.display();
    let sentence = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let needed = if needed == 0 {
                String::new()
            } else {
                format!(" (the work needs about {} MB)", needed.div_ceil(1_000_000))
            };
            format!(
                "the disk with {shown} is full{needed}; make room, or set DYNLAB_CACHE to a folder on another disk"
            )
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{shown} cannot be written; set DYNLAB_CACHE to a folder of your own")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            format!("{shown} cannot be made; set DYNLAB_CACHE to a folder of your own")
        }
        _ => format!("cannot write below {shown}"),
    };
    anyhow::Error::new(error).context(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_names_the_folder_and_the_cure() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let text = explain(full, Path::new("/cache"), 5_000_000).to_string();
        assert!(text.contains("/cache") && text.contains("5 MB") && text.contains("DYNLAB_CACHE"), "{text}");
    }
}
