//! The plugin through the contract's tables, as a server drives it.

mod creating;
mod preflights;
mod responses;

use plugin_host::MiddlewareInstance;

/// What most tests use: an origin and a pattern, with credentials.
const SETTINGS: &str = r#"{
    "origins": ["https://app.example.org", "https://*.example.net"],
    "methods": ["GET", "PUT"],
    "headers": ["content-type", "x-token"],
    "expose-headers": ["x-total", "etag"],
    "credentials": true,
    "max-age": 600
}"#;

fn cors(settings: &str) -> MiddlewareInstance {
    plugin_testing::middleware(&cors_middleware::PLUGIN, settings, None).unwrap()
}
