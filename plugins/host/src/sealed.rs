//! A copy of a plugin's bytes that nobody can change any more: an anonymous file (memfd), sealed.
//!
//! What was hashed and judged is then what gets mapped. The original may be truncated, rewritten or
//! removed meanwhile; a mapping of *it* would change under us or raise SIGBUS.
//! See memfd_create(2), fcntl(2) "File Sealing".

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;

/// Every seal that keeps the content, the length and the seals themselves as they are.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// An anonymous file with fixed content, open in this process. Costs its size in memory.
#[derive(Debug)]
pub struct SealedCopy {
    descriptor: OwnedFd,
}

impl SealedCopy {
    /// Copies `bytes` and seals the copy. `label` is what `/proc/PID/maps` shows for it; at most 249
    /// bytes of it are used, the limit of memfd_create(2).
    ///
    /// # Errors
    /// What memfd_create(2), write(2) or fcntl(2) answered: no memory, no descriptors left, or a
    /// kernel older than 3.17.
    pub fn new(label: &str, bytes: &[u8]) -> io::Result<Self> {
        let descriptor = create(&memfd_label(label))?;
        let mut file = File::from(descriptor);
        file.write_all(bytes)?;
        let descriptor = OwnedFd::from(file);
        fcntl_add_seals(&descriptor, SEALS)?;
        debug_assert!(fcntl_get_seals(&descriptor)?.contains(SEALS));
        Ok(Self { descriptor })
    }

    /// The path by which a loader of this process can open the copy.
    ///
    /// glibc recognises an object that is already loaded by this *name*, before it looks at the
    /// file: a descriptor number must never come back while an earlier object of that name is
    /// loaded. Whoever loads from this path keeps the copy with [`SealedCopy::keep_for_ever`].
    pub fn loader_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }

    /// Another descriptor of the copy, for another process.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// Leaves the descriptor open until the process ends, so that its number is never reused.
    pub fn keep_for_ever(self) {
        std::mem::forget(self.descriptor);
    }
}

/// Asks first for a file that can be mapped executable but never executed by execve(2): hosts with
/// `vm.memfd_noexec=2` give no other, kernels before 6.3 do not know the flag.
fn create(label: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(memfd_create(label, flags)?),
        answer => Ok(answer?),
    }
}

/// memfd_create(2) takes at most 249 bytes and no NUL.
fn memfd_label(label: &str) -> String {
    let mut short: String = label.chars().filter(|letter| *letter != '\0').collect();
    while short.len() > 249 {
        short.pop();
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};

    #[test]
    fn the_copy_reads_back_and_nothing_can_change_it() {
        let sealed = SealedCopy::new("plugin.so", b"some bytes").unwrap();
        assert_eq!(fs::read(sealed.loader_path()).unwrap(), b"some bytes");

        let mut again = OpenOptions::new().write(true).open(sealed.loader_path()).unwrap();
        assert!(again.write(b"other").is_err(), "sealed against writing");
        assert!(again.set_len(3).is_err(), "sealed against shrinking");
        assert!(again.set_len(300).is_err(), "sealed against growing");
    }

    #[test]
    fn odd_labels_are_made_to_fit() {
        assert_eq!(memfd_label("a\0b"), "ab");
        assert!(memfd_label(&"ä".repeat(300)).len() <= 249);
        SealedCopy::new(&"ä".repeat(300), b"").unwrap();
    }
}
