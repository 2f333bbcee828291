//! Hashes of passwords: Argon2 (RFC 9106) as a PHC string, and bcrypt as htpasswd writes it.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier};
use plugin_sdk::Error;
use std::str::FromStr;

/// A hash whose verification is known to take no more than the limits.
#[derive(Debug)]
pub(crate) enum Hash {
    Argon2(Box<PasswordHash>),
    Bcrypt(String),
}

/// Most memory that one verification may take, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// Most work, in KiB that are filled: passes times memory. About a second.
const MOST_WORK: u64 = 1024 * 1024;
/// Most lanes; they are worked off one after the other.
const MOST_LANES: u32 = 64;
/// Highest cost of bcrypt, the binary logarithm of its rounds. About a second.
const MOST_COST: u32 = 14;

impl Hash {
    /// # Errors
    /// What is wrong with it and what to do; never the text itself.
    pub(crate) fn parse(text: &str) -> Result<Hash, String> {
        if text.starts_with("$argon2") {
            parse_argon2(text)
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            parse_bcrypt(text)
        } else {
            let what = match text {
                "" => "an empty text",
                _ if text.starts_with("$apr1$") || text.starts_with("$1$") => "an MD5 hash",
                _ if text.starts_with("{SHA}") => "a SHA-1 hash",
                _ if text.starts_with("$5$") || text.starts_with("$6$") => "a SHA-2 hash of crypt(3)",
                _ if text.starts_with("$2x$") => "a hash of a faulty bcrypt",
                _ => "no hash that is known",
            };
            Err(format!(
                "{what}; hash the password anew, as argon2 (`argon2 SALT -id -e`) or bcrypt (`htpasswd -nB NAME`)"
            ))
        }
    }

    /// Whether it is the hash of that password.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn verify(&self, password: &[u8]) -> Result<bool, Error> {
        match self {
            Hash::Argon2(hash) => match Argon2::default().verify_password(password, &**hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Error::unavailable(format!("cannot verify a password: {error}"))),
            },
            Hash::Bcrypt(hash) => bcrypt::verify(password, hash)
                .map_err(|error| Error::unavailable(format!("cannot verify a password: {error}"))),
        }
    }
}

fn parse_argon2(text: &str) -> Result<Hash, String> {
    let malformed = |why: &dyn std::fmt::Display| {
        format!("no argon2 hash: {why}; copy it whole, from `$argon2` to the last letter")
    };
    let hash = PasswordHash::new(text).map_err(|error| malformed(&error))?;
    Algorithm::try_from(hash.algorithm.as_str()).map_err(|error| malformed(&error))?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(malformed(&"salt or hash is missing"));
    }
    let params = Params::try_from(&hash).map_err(|error| malformed(&error))?;
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    if memory > MOST_MEMORY {
        return Err(format!(
            "verifying it takes {} MiB (m={memory}), and {} MiB are allowed; hash the password anew with m={MOST_MEMORY} or lower",
            memory / 1024,
            MOST_MEMORY / 1024
        ));
    }
    if u64::from(memory) * u64::from(passes) > MOST_WORK {
        return Err(format!(
            "verifying it takes {passes} passes over {memory} KiB, and m * t may be {MOST_WORK}; hash the password anew with lower ones"
        ));
    }
    if lanes > MOST_LANES {
        return Err(format!("p={lanes} is more than {MOST_LANES}; hash the password anew with a lower p"));
    }
    Ok(Hash::Argon2(Box::new(hash)))
}

fn parse_bcrypt(text: &str) -> Result<Hash, String> {
    let hash = bcrypt::HashParts::from_str(text)
        .map_err(|error| format!("no bcrypt hash: {error}; copy it whole, all 60 letters"))?;
    match hash.get_cost() {
        cost @ 0..=3 => Err(format!("a cost of {cost} is below bcrypt's lowest, 4; hash the password anew")),
        4..=MOST_COST => Ok(Hash::Bcrypt(text.to_owned())),
        cost => Err(format!(
            "a cost of {cost} takes {} times as long as {MOST_COST}, the highest that is allowed; hash the password anew",
            1_u64 << (cost - MOST_COST).min(63)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of Argon2's reference implementation, of crypt_blowfish, and by crypt(3) of libxcrypt.
    #[test]
    fn hashes_of_other_programs_are_verified() {
        let cases = [
            (
                "password",
                "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            ),
            (
                "password",
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            ),
            (
                "password",
                "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            ),
            ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            ("open sesame \u{a3}", "$2y$04$abcdefghijklmnopqrstuuejsDW8.XmZTK5fnVHinmrwq2hSq5wZm"),
        ];
        for (password, text) in cases {
            let hash = Hash::parse(text).unwrap();
            assert!(hash.verify(password.as_bytes()).unwrap(), "{text}");
            for other in ["", "passwort", "u*u"] {
                assert!(!hash.verify(other.as_bytes()).unwrap(), "{text}");
            }
        }
    }

    #[test]
    fn what_cannot_or_should_not_be_verified_is_refused_with_the_cure() {
        let tail = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let cases = [
            ("", "an empty text; hash the password anew, as argon2"),
            ("secret", "no hash that is known"),
            ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "an MD5 hash"),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "a SHA-1 hash"),
            ("$6$salt$x", "a SHA-2 hash"),
            ("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "a faulty bcrypt"),
            ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", "copy it whole, all 60 letters"),
            (
                "$2y$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "a cost of 15 takes 2 times as long as 14",
            ),
            ("$2y$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "a cost of 99"),
            ("$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "a cost of 3 is below"),
            ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "salt or hash is missing"),
            ("$argon2id$v=19$m=256,t=2,p=1", "salt or hash is missing"),
            ("$argon2id", "no argon2 hash"),
            (&format!("$argon2x$v=19$m=256,t=2,p=1${tail}"), "no argon2 hash"),
            (&format!("$argon2id$v=19$m=4,t=2,p=1${tail}"), "no argon2 hash"),
            (
                &format!("$argon2id$v=19$m=4194304,t=1,p=1${tail}"),
                "takes 4096 MiB (m=4194304), and 256 MiB are allowed",
            ),
            (&format!("$argon2id$v=19$m=262144,t=5,p=1${tail}"), "5 passes over 262144 KiB"),
            (&format!("$argon2id$v=19$m=8,t=4294967295,p=1${tail}"), "4294967295 passes over 8 KiB"),
            (&format!("$argon2id$v=19$m=1024,t=1,p=65${tail}"), "p=65 is more than 64"),
        ];
        for (text, part) in cases {
            let error = Hash::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
