//! SHA-256 of a plugin's bytes, and the list of those an operator allows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A SHA-256 digest; shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 sum: 64 hexadecimal digits are expected")]
pub struct NotADigest(String);

impl FromStr for Sha256Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let wrong = || NotADigest(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

/// Digests of the only plugins that may be loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<Sha256Digest>);

impl AllowList {
    /// Reads a list as `sha256sum` writes it: a sum in each line, whatever follows it is a remark.
    /// Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The first line that begins with something else than a sum.
    pub fn parse(text: &str) -> Result<Self, NotADigest> {
        let sums = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|first| !first.starts_with('#'));
        Ok(Self(sums.map(str::parse).collect::<Result<_, _>>()?))
    }

    /// Whether `digest` is on the list.
    pub fn allows(&self, digest: &Sha256Digest) -> bool {
        self.0.contains(digest)
    }
}

impl FromIterator<Sha256Digest> for AllowList {
    fn from_iter<I: IntoIterator<Item = Sha256Digest>>(digests: I) -> Self {
        Self(digests.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digests_are_written_and_read() {
        assert_eq!(Sha256Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse(), Ok(Sha256Digest::of(b"abc")));
        for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32), &format!("{ABC}0")] {
            assert!(wrong.parse::<Sha256Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_allow_list_is_what_sha256sum_writes() {
        let list = AllowList::parse(&format!("# ours\n\n{ABC}  ip-0.1.0.so\n")).unwrap();
        assert!(list.allows(&Sha256Digest::of(b"abc")));
        assert!(!list.allows(&Sha256Digest::of(b"abd")));
        assert!(AllowList::parse("ip-0.1.0.so").is_err());
    }
}
