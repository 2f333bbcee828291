//! Who may do what. Pure.

use std::hint::black_box;
use std::net::SocketAddr;

use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::options::Secret;

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Through the unix socket, from a process of this user (`SO_PEERCRED`, unix(7)).
    Unix {
        /// `None` if the system would not tell.
        uid: Option<u32>,
    },
    /// Through the loopback interface, where nobody knows who it is.
    Tcp(SocketAddr),
}

/// The rules. No `Debug`: they hold a secret.
pub(crate) struct Rules {
    token: Option<Secret>,
    uids: Vec<u32>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// 401: no token came.
    NoToken,
    /// 401: another one came.
    WrongToken,
    /// 403: there is none that could come.
    NoneConfigured,
}

impl Rules {
    /// Root and the daemon's own user always need no token on the unix socket.
    pub(crate) fn new(token: Option<Secret>, mut uids: Vec<u32>) -> Self {
        uids.extend([0, rustix::process::geteuid().as_raw()]);
        Self { token, uids }
    }

    /// Whether a request may see or change entries.
    ///
    /// # Errors
    /// [`Denial`].
    pub(crate) fn check(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Denial> {
        if let Some(given) = headers.get(AUTHORIZATION) {
            // One that came is looked at whoever sent it, so that a wrong one is noticed.
            let expected = self.token.as_ref().ok_or(Denial::NoneConfigured)?;
            let given = bearer(given.as_bytes()).ok_or(Denial::WrongToken)?;
            return if is_same(given, expected.0.as_bytes()) { Ok(()) } else { Err(Denial::WrongToken) };
        }
        match peer {
            Peer::Unix { uid: Some(uid) } if self.uids.contains(&uid) && !is_forwarded(headers) => Ok(()),
            _ if self.token.is_some() => Err(Denial::NoToken),
            _ => Err(Denial::NoneConfigured),
        }
    }
}

impl Denial {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::NoToken => {
                "this needs a token: send `Authorization: Bearer TOKEN`, or use the unix socket as a user that is allowed"
            }
            Self::WrongToken => {
                "the token is not the right one, or is not sent as `Authorization: Bearer TOKEN`"
            }
            Self::NoneConfigured => {
                "nobody may do this here: the daemon was started without a token (--token-file), and lets only the unix socket's allowed users in"
            }
        }
    }
}

/// RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = (value.get(..7)?, value.get(7..)?);
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

/// Takes as long whichever byte differs. The length is no secret.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let differs =
        given.iter().zip(expected).fold(0, |differs, (one, other)| black_box(differs | (one ^ other)));
    given.len() == expected.len() && black_box(differs) == 0
}

/// A proxy's process speaks for somebody else, whatever user it runs as.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_opens_everything_and_users_their_socket_alone() {
        let rules = |token: Option<&str>| Rules { token: token.map(Secret::from), uids: vec![0, 1_000] };
        let tcp = Peer::Tcp("127.0.0.1:1".parse().unwrap());
        let user = |uid| Peer::Unix { uid: Some(uid) };
        let with = |name: &'static str, value: &str| {
            HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
        };
        let none = HeaderMap::new();
        let token = "sesame-sesame-sesame";
        let right = with("authorization", "bearer sesame-sesame-sesame");
        let wrong = with("authorization", "Bearer sesame-sesame-sesamf");
        for (rules, peer, headers, expected) in [
            (rules(Some(token)), tcp, &right, Ok(())),
            (rules(Some(token)), user(33), &right, Ok(())),
            (rules(Some(token)), tcp, &wrong, Err(Denial::WrongToken)),
            (rules(Some(token)), user(0), &wrong, Err(Denial::WrongToken)),
            (rules(Some(token)), tcp, &with("authorization", "Bearer sesame"), Err(Denial::WrongToken)),
            (rules(Some(token)), tcp, &with("authorization", "Basic eDp5"), Err(Denial::WrongToken)),
            (rules(Some(token)), tcp, &none, Err(Denial::NoToken)),
            (rules(Some(token)), user(33), &none, Err(Denial::NoToken)),
            (rules(Some(token)), user(1_000), &none, Ok(())),
            (rules(None), user(0), &none, Ok(())),
            (rules(None), user(0), &with("x-forwarded-for", "192.0.2.1"), Err(Denial::NoneConfigured)),
            (rules(None), Peer::Unix { uid: None }, &none, Err(Denial::NoneConfigured)),
            (rules(None), tcp, &none, Err(Denial::NoneConfigured)),
            (rules(None), tcp, &right, Err(Denial::NoneConfigured)),
        ] {
            assert_eq!(rules.check(peer, headers), expected, "{peer:?} {headers:?}");
        }
    }
}
