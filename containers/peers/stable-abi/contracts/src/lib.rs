//! What a handler is in other crates for stable ABIs. Both have the fields that `plugin_host::Request` and `Response` have, in the types
//! that the crate has for them, so that calls differ in their way and not in what they carry.

pub mod of_abi_stable;
pub mod of_stabby;
