//! Whether Debian vouches for what a mirror says: the signature of `InRelease`.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What becomes of an `InRelease` whose signature nobody here can check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// It is refused: locks are made from it.
    Refused,
    /// It is taken, and that is said.
    Taken,
}

/// What is signed of `release`, the content of an `InRelease`. Lines before or behind that are nobody's, and left out.
///
/// # Errors
/// The signature is not by a key of `keyring`; with [`Unsigned::Refused`] also a missing keyring or gpgv.
pub(super) fn signed_text(
    release: Vec<u8>,
    keyring: &Path,
    suite: &str,
    unsigned: Unsigned,
) -> Result<String> {
    let shown = keyring.display();
    let unchecked = |release: Vec<u8>, missing: &str| {
        let problem = format!("the signature of suite {suite} cannot be checked, for want of {missing}");
        if unsigned == Unsigned::Refused {
            bail!("{problem}; install it, or take on trust what the mirror says with --unsigned");
        }
        eprintln!("note: {problem}");
        String::from_utf8(release).context("InRelease is not text")
    };
    if !keyring.is_file() {
        return unchecked(release, &format!("{shown} (package debian-archive-keyring)"));
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&release)?;
    let mut gpgv = Command::new("gpgv");
    gpgv.args(["--status-fd", "2", "--output", "-", "--keyring"]).arg(keyring).arg(file.path());
    let Ok(output) = gpgv.output() else { return unchecked(release, "gpgv (package gpgv)") };
    let told = String::from_utf8_lossy(&output.stderr);
    if !is_vouched_for(&told) {
        bail!(
            "the signature of suite {suite} is not Debian's ({}): {}; use another mirror, or renew {shown}",
            output.status,
            told.trim()
        );
    }
    String::from_utf8(output.stdout).context("InRelease is not text")
}

/// From what gpgv tells with `--status-fd` (GnuPG's doc/DETAILS). One known key is enough, as for apt: Debian signs with the keys of several suites, of which a
/// keyring that is older than the newest lacks some.
fn is_vouched_for(statuses: &str) -> bool {
    let has = |status: &str| {
        statuses.lines().any(|line| {
            line.strip_prefix("[GNUPG:] ").and_then(|rest| rest.split(' ').next()) == Some(status)
        })
    };
    has("GOODSIG") && !has("BADSIG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_known_key_is_enough_and_one_bad_signature_too_much() {
        let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6ED0E7B82643E131 Debian Archive\n";
        let unknown = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 762F67A0B2C39DE4 22 8 01 1789199867 9 4158\n[GNUPG:] NO_PUBKEY 762F67A0B2C39DE4\n";
        let bad = "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 6ED0E7B82643E131 Debian Archive\n";
        let expired = "[GNUPG:] EXPKEYSIG 6ED0E7B82643E131 Debian Archive\n";
        assert!(is_vouched_for(good));
        assert!(is_vouched_for(&format!("{good}{unknown}")));
        for refused in [unknown, bad, expired, "", "gpgv: GOODSIG\n", &format!("{good}{bad}")] {
            assert!(!is_vouched_for(refused), "{refused}");
        }
    }

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/images/signature").join(name)
    }

    fn read(release: &[u8], keyring: &str) -> Result<String> {
        signed_text(release.to_vec(), &fixture(keyring), "test", Unsigned::Refused)
    }

    #[test]
    fn only_what_is_signed_is_taken() {
        if Command::new("gpgv").arg("--version").output().is_err() {
            eprintln!("skipped: signatures (no `gpgv` here; package gpgv)");
            return;
        }
        let release = std::fs::read(fixture("InRelease")).unwrap();
        let signed = "Suite: test\nSHA256:\n signed 1 main/a";
        assert_eq!(read(&release, "key.gpg").unwrap().trim_end(), signed);
        let slipped_in = [b"SHA256:\n slipped-in 1 main/a\n".as_slice(), &release].concat();
        assert_eq!(read(&slipped_in, "key.gpg").unwrap().trim_end(), signed);

        let changed = String::from_utf8(release).unwrap().replace(" signed 1", " changed 1");
        for (release, keyring) in [(changed.as_str(), "key.gpg"), (signed, "key.gpg")] {
            let error = read(release.as_bytes(), keyring).unwrap_err().to_string();
            assert!(error.starts_with("the signature of suite test is not Debian's"), "{error}");
        }
    }

    #[test]
    fn without_a_keyring_nothing_is_taken_unless_that_was_asked_for() {
        let error = read(b"Suite: test\n", "no-keyring").unwrap_err().to_string();
        assert!(error.contains("package debian-archive-keyring") && error.contains("--unsigned"), "{error}");
        let taken = signed_text(b"Suite: test\n".to_vec(), &fixture("no-keyring"), "test", Unsigned::Taken);
        assert_eq!(taken.unwrap(), "Suite: test\n");
    }
}
