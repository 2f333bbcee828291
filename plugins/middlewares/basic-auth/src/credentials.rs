//! What a client sends: `Basic` and the name and password in Base64. RFC 7617, section 2.

use base64ct::{Base64, Encoding};
use std::fmt;

/// A name and a password. Neither has control characters in it.
pub(crate) struct Credentials {
    /// `name:password`
    decoded: Vec<u8>,
    colon: usize,
}

impl Credentials {
    /// The credentials in the values of `authorization`; `None` if there are none, or several, or it is not
    /// that scheme, or not that form.
    pub(crate) fn read<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Credentials> {
        let value = values.next().filter(|_| values.next().is_none())?;
        let space = value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = value.split_at(space);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let token = std::str::from_utf8(rest).ok()?.trim_matches(' ');
        let decoded = Base64::decode_vec(token).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        (!decoded.iter().any(u8::is_ascii_control)).then_some(Credentials { decoded, colon })
    }

    pub(crate) fn user(&self) -> &[u8] {
        &self.decoded[..self.colon]
    }

    pub(crate) fn password(&self) -> &[u8] {
        &self.decoded[self.colon + 1..]
    }
}

/// Without the password, which must not come into any log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(values: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
        let credentials = Credentials::read(values.iter().copied())?;
        Some((credentials.user().to_vec(), credentials.password().to_vec()))
    }

    #[test]
    fn names_and_passwords_are_read_and_nothing_else() {
        let pair =
            |user: &str, password: &str| Some((user.as_bytes().to_vec(), password.as_bytes().to_vec()));
        // The examples of RFC 7617, sections 2 and 2.1.
        assert_eq!(read(&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), pair("Aladdin", "open sesame"));
        assert_eq!(read(&[b"Basic dGVzdDoxMjPCow=="]), pair("test", "123\u{a3}"));
        assert_eq!(read(&[b"bAsIc  YTpiOmM= "]), pair("a", "b:c"));
        assert_eq!(read(&[b"Basic Og=="]), pair("", ""));
        let wrong: [&[&[u8]]; 12] = [
            &[],
            &[b""],
            &[b"Basic"],
            &[b"Basic "],
            &[b"BasicYTpi"],
            &[b"Bearer YTpi"],
            &[b"Basic YTpi", b"Basic YTpi"],
            // No padding, another alphabet, no Base64, no colon, a control character.
            &[b"Basic YTpiYg"],
            &[b"Basic YTp_YmI="],
            &[b"Basic a:b"],
            &[b"Basic YWI="],
            &[b"Basic YTpiCg=="],
        ];
        for values in wrong {
            assert_eq!(read(values), None, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(user in "[^:\\p{Cc}]{0,20}", password in "\\P{Cc}{0,40}") {
            let value = format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()));
            prop_assert_eq!(read(&[value.as_bytes()]), Some((user.into_bytes(), password.into_bytes())));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&[&[b"Basic ".as_slice(), &rest].concat()]);
        }
    }
}
