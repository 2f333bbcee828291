//! Any bytes, read as a module: `cargo +nightly fuzz run listing` in `ngx-backend/compat`.
//! Modules and nginx itself make good seeds; put some into `fuzz/corpus/listing`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_compat::Listing;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(listing) = Listing::parse(bytes) {
        assert!(listing.modules.iter().all(|module| module.signature.len() < 1024));
    }
});
