//! The plugin through the contract's tables, as a server drives it.

mod negotiating;
mod untouched;

use plugin_host::{MiddlewareInstance, Response};
use plugin_testing::{field, middleware};
use std::io::Read;

fn compress(settings: &str) -> MiddlewareInstance {
    middleware(&compress_middleware::PLUGIN, settings, None).unwrap()
}

/// A page that is worth compressing: 200, HTML, 7 KiB.
fn page() -> Response {
    let headers = vec![field("content-type", "text/html; charset=utf-8")];
    Response { status: 200, headers, body: b"<p>A row of words.</p>\n".repeat(300) }
}

/// The page with one field more.
fn page_with(name: &str, value: &str) -> Response {
    let mut page = page();
    page.headers.push(field(name, value));
    page
}

fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut body).unwrap();
    body
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::decode_all(bytes).unwrap()
}
