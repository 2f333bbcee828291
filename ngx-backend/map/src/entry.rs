//! An entry of the map: which upstreams serve which hosts.

use crate::pattern::Pattern;
use crate::upstream::{Upstream, UpstreamAddress};
use std::ops::Deref;

/// Most upstreams of one entry.
pub const MOST_UPSTREAMS: usize = 64;

/// Who serves the hosts of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The hosts.
    pub pattern: Pattern,
    /// Who serves them.
    pub upstreams: Upstreams,
}

/// From one upstream to [`MOST_UPSTREAMS`], none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstreams(Vec<Upstream>);

/// Why a list of upstreams is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamsError {
    /// Nobody would serve.
    #[error("there is no upstream; delete the entry instead")]
    None,
    /// See [`MOST_UPSTREAMS`].
    #[error("there are {0} upstreams; an entry has at most {MOST_UPSTREAMS}")]
    TooMany(usize),
    /// The same address twice.
    #[error("`{0}` is there twice; give it a weight instead")]
    Twice(UpstreamAddress),
}

impl Upstreams {
    /// Checks a list.
    ///
    /// # Errors
    /// [`UpstreamsError`].
    pub fn new(upstreams: Vec<Upstream>) -> Result<Upstreams, UpstreamsError> {
        match upstreams.len() {
            0 => return Err(UpstreamsError::None),
            count if count > MOST_UPSTREAMS => return Err(UpstreamsError::TooMany(count)),
            _ => {}
        }
        for (at, upstream) in upstreams.iter().enumerate() {
            if upstreams.iter().take(at).any(|other| other.address == upstream.address) {
                return Err(UpstreamsError::Twice(upstream.address.clone()));
            }
        }
        Ok(Upstreams(upstreams))
    }
}

impl Deref for Upstreams {
    type Target = [Upstream];

    fn deref(&self) -> &[Upstream] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU16;

    #[test]
    fn lists_are_neither_empty_nor_endless_nor_repeat_themselves() {
        let upstream = |port: usize| Upstream {
            address: format!("192.0.2.1:{port}").parse().unwrap(),
            weight: NonZeroU16::MIN,
        };
        assert_eq!(Upstreams::new(vec![]), Err(UpstreamsError::None));
        assert_eq!(Upstreams::new((1..=64).map(upstream).collect()).unwrap().len(), 64);
        assert_eq!(Upstreams::new((1..=65).map(upstream).collect()), Err(UpstreamsError::TooMany(65)));
        assert_eq!(
            Upstreams::new(vec![upstream(1), upstream(2), upstream(1)]),
            Err(UpstreamsError::Twice(upstream(1).address))
        );
    }
}
