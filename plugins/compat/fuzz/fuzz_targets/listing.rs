//! Any bytes, read as a module of nginx. Modules and nginx itself make good seeds; they are too large to be kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_compat::Listing;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(listing) = Listing::parse(bytes) {
        assert!(listing.modules.iter().all(|module| module.signature.len() < 1024));
    }
});
