//! The hosts of all tables: a number in a name of about 40 bytes.

use backend_map::{Pattern, Upstream, UpstreamAddress, Upstreams};
use std::error::Error;
use std::num::NonZeroU16;

/// The name of a host.
pub(crate) fn name(number: u32) -> String {
    format!("customer-{number:08}.sites.hosting.example")
}

/// The same as it is added to a table.
pub(crate) fn pattern(number: u32) -> Result<Pattern, Box<dyn Error>> {
    Ok(Pattern::parse(&name(number))?)
}

/// One upstream.
pub(crate) fn upstreams(address: UpstreamAddress) -> Result<Upstreams, Box<dyn Error>> {
    Ok(Upstreams::new(vec![Upstream { address, weight: NonZeroU16::MIN }])?)
}

/// Numbers below `count` in an order that has no pattern: a linear congruential generator, whose upper bits are random enough.
pub(crate) fn numbers(count: u32) -> impl Iterator<Item = u32> {
    let mut state = 1_u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(state) * u64::from(count)) >> 32) as u32
    })
}
