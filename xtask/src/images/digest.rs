//! SHA-256 of files, streams and sequences, in hex.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Hashes a sequence of parts so that moving a byte from one part to the next changes the result.
#[derive(Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// `sha256:<hex>`.
    pub(super) fn finish(self) -> String {
        format!("sha256:{}", hex(&self.0.finalize()))
    }
}

/// The SHA-256 of `bytes`, in hex.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The length and SHA-256 of the file at `path`.
pub(super) fn of_file(path: &Path) -> io::Result<(u64, String)> {
    let mut sink = HashingWriter::new(io::sink());
    io::copy(&mut File::open(path)?, &mut sink)?;
    Ok(sink.finish())
}

/// Passes everything on to `inner` and hashes it on the way.
pub(super) struct HashingWriter<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> HashingWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        HashingWriter { inner, hash: Sha256::new(), length: 0 }
    }

    /// The number of bytes that passed, and their SHA-256 in hex.
    pub(super) fn finish(self) -> (u64, String) {
        let (_, length, sha256) = self.into_parts();
        (length, sha256)
    }

    /// The inner writer too.
    pub(super) fn into_parts(self) -> (W, u64, String) {
        (self.inner, self.length, hex(&self.hash.finalize()))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether `text` is a SHA-256 in lower-case hex.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
