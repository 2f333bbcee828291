//! `accept-encoding`: which codings a client can read, and which it prefers. RFC 9110, section 12.5.3.

use crate::coding::Coding;

/// How a client is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// With the bytes as they are.
    Identity,
    /// In that coding, where it is worth it.
    Coding(Coding),
    /// In that coding wherever it is possible: it refuses the bytes as they are.
    OnlyCoding(Coding),
}

/// Weight in thousandths.
type Weight = u16;

impl Accepted {
    /// The best of `offered`, which are in the order of our own preference, for the values of the field. A client that says
    /// nothing gets the bytes as they are, as RFC 9110 would allow anything but old programs do not; and so does
    /// one that accepts nothing that we have.
    pub(crate) fn choose<'a>(values: impl Iterator<Item = &'a [u8]>, offered: &[Coding]) -> Accepted {
        let wishes = Wishes::read(values);
        let mut best: Option<(Coding, Weight)> = None;
        for coding in offered {
            let weight = wishes.weight(*coding);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((*coding, weight));
            }
        }
        let Some((coding, weight)) = best else { return Accepted::Identity };
        match wishes.identity.or(wishes.others.filter(|others| *others == 0)) {
            Some(0) => Accepted::OnlyCoding(coding),
            Some(identity) if identity > weight => Accepted::Identity,
            _ => Accepted::Coding(coding),
        }
    }
}

/// What a client said. Of a coding that it named twice the first counts.
#[derive(Debug, Default)]
struct Wishes {
    gzip: Option<Weight>,
    zstd: Option<Weight>,
    identity: Option<Weight>,
    /// `*`: all that are not named.
    others: Option<Weight>,
}

impl Wishes {
    fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Wishes {
        let mut wishes = Wishes::default();
        for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let Some((name, weight)) = member_of_list(member) else { continue };
            let place = match () {
                // The older name is to be taken for the same (RFC 9110, section 8.4.1.3).
                () if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                    &mut wishes.gzip
                }
                () if name.eq_ignore_ascii_case(b"zstd") => &mut wishes.zstd,
                () if name.eq_ignore_ascii_case(b"identity") => &mut wishes.identity,
                () if name == b"*" => &mut wishes.others,
                () => continue,
            };
            place.get_or_insert(weight);
        }
        wishes
    }

    fn weight(&self, coding: Coding) -> Weight {
        let named = match coding {
            Coding::Gzip => self.gzip,
            Coding::Zstd => self.zstd,
        };
        named.or(self.others).unwrap_or(0)
    }
}

/// Name and weight; `None` if the weight is none, as we then do not know what was meant.
fn member_of_list(member: &[u8]) -> Option<(&[u8], Weight)> {
    let mut parts = member.split(|byte| *byte == b';').map(trimmed);
    let name = parts.next()?;
    let mut weight = 1_000;
    for parameter in parts {
        if let [b'q' | b'Q', b'=', value @ ..] = parameter {
            weight = thousandths(value)?;
        }
    }
    Some((name, weight))
}

/// `qvalue` of RFC 9110, section 12.4.2: 0 to 1 with at most three digits behind the point.
fn thousandths(value: &[u8]) -> Option<Weight> {
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut weight = Weight::from(whole - b'0') * 1_000;
    for (digit, unit) in digits.iter().zip([100, 10, 1]) {
        weight += Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
    }
    (weight <= 1_000).then_some(weight)
}

/// Without the whitespace that HTTP allows around parts of a field.
pub(crate) fn trimmed(part: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = part.iter().position(|byte| !is_space(byte)).unwrap_or(part.len());
    let end = part.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &part[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use Accepted::{Identity, OnlyCoding};
    use Coding::{Gzip, Zstd};

    fn choose(values: &[&str], offered: &[Coding]) -> Accepted {
        Accepted::choose(values.iter().map(|value| value.as_bytes()), offered)
    }

    #[test]
    fn weights_then_our_own_order_decide() {
        let cases: [(&[&str], Accepted); 35] = [
            (&[], Identity),
            (&[""], Identity),
            (&["gzip"], Accepted::Coding(Gzip)),
            (&["zstd"], Accepted::Coding(Zstd)),
            (&["gzip, zstd"], Accepted::Coding(Zstd)),
            (&["gzip", "zstd"], Accepted::Coding(Zstd)),
            (&["gzip, deflate, br, zstd"], Accepted::Coding(Zstd)),
            (&["deflate, br"], Identity),
            (&["x-gzip"], Accepted::Coding(Gzip)),
            (&["GZip ; Q=0.5"], Accepted::Coding(Gzip)),
            (&["gzip;q=1.0, zstd;q=0.9"], Accepted::Coding(Gzip)),
            (&["gzip;q=0.899, zstd;q=0.9"], Accepted::Coding(Zstd)),
            (&["\tgzip\t;\tq=0.001 ,"], Accepted::Coding(Gzip)),
            (&["gzip;q=0"], Identity),
            (&["gzip;q=0.000, zstd;q=0"], Identity),
            (&["*"], Accepted::Coding(Zstd)),
            (&["*;q=0.5, gzip"], Accepted::Coding(Gzip)),
            (&["zstd;q=0, *"], Accepted::Coding(Gzip)),
            (&["*;q=0"], Identity),
            (&["gzip, *;q=0"], OnlyCoding(Gzip)),
            (&["identity;q=0, gzip"], OnlyCoding(Gzip)),
            (&["identity;q=0, *"], OnlyCoding(Zstd)),
            (&["identity;q=0"], Identity),
            (&["identity;q=0.5, gzip, *;q=0"], Accepted::Coding(Gzip)),
            (&["identity, gzip;q=0.5"], Identity),
            (&["identity;q=0.5, gzip;q=0.5"], Accepted::Coding(Gzip)),
            (&["identity;q=0.2, gzip;q=0.5"], Accepted::Coding(Gzip)),
            (&["identity"], Identity),
            // What is no weight says nothing about the coding.
            (&["gzip;q=2"], Identity),
            (&["gzip;q=1.001"], Identity),
            (&["gzip;q=0.0001"], Identity),
            (&["gzip;q=, zstd;q=x"], Identity),
            (&["gzip;q=0.-1"], Identity),
            (&["gzip, gzip;q=0"], Accepted::Coding(Gzip)),
            (&["gzip;level=9;q=0.3"], Accepted::Coding(Gzip)),
        ];
        for (values, expected) in cases {
            assert_eq!(choose(values, &[Zstd, Gzip]), expected, "{values:?}");
        }
        assert_eq!(choose(&["gzip, zstd"], &[Gzip, Zstd]), Accepted::Coding(Gzip));
        assert_eq!(choose(&["zstd, gzip;q=0.5"], &[Gzip]), Accepted::Coding(Gzip));
        assert_eq!(choose(&["zstd"], &[Gzip]), Identity);
        assert_eq!(choose(&["gzip, *"], &[]), Identity);
    }

    fn weight() -> impl Strategy<Value = Weight> {
        prop_oneof![Just(0), Just(1_000), 1_u16..1_000]
    }

    fn written(weight: Weight) -> String {
        format!("{}.{:03}", weight / 1_000, weight % 1_000)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)) {
            let _ = Accepted::choose(values.iter().map(Vec::as_slice), &[Zstd, Gzip]);
        }

        #[test]
        fn weights_are_read_as_they_are_written(weight in weight()) {
            prop_assert_eq!(thousandths(written(weight).as_bytes()), Some(weight));
        }

        /// Nothing is chosen that the client refuses, nor anything that it likes less than something else.
        #[test]
        fn the_choice_is_the_best(zstd in weight(), gzip in weight(), identity in weight(), swapped in any::<bool>()) {
            let mut members = [("zstd", zstd), ("gzip", gzip), ("identity", identity)]
                .map(|(name, weight)| format!("{name};q={}", written(weight)));
            if swapped {
                members.reverse();
            }
            match choose(&[&members.join(",")], &[Zstd, Gzip]) {
                Identity => prop_assert!(identity > zstd.max(gzip) || zstd.max(gzip) == 0),
                Accepted::Coding(Zstd) => prop_assert!(zstd > 0 && zstd >= gzip.max(identity) && identity > 0),
                Accepted::Coding(Gzip) => prop_assert!(gzip > zstd && gzip >= identity && identity > 0),
                OnlyCoding(Zstd) => prop_assert!(zstd > 0 && zstd >= gzip && identity == 0),
                OnlyCoding(Gzip) => prop_assert!(gzip > zstd && identity == 0),
            }
        }
    }
}
