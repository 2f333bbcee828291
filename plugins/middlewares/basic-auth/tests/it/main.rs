//! The plugin through the contract's tables, as a server drives it.

mod creating;
mod knocking;
mod remembering;

use base64ct::{Base64, Encoding};
use plugin_host::MiddlewareInstance;
use plugin_testing::{middleware, TestRequest};

/// `open sesame £` by crypt(3) of libxcrypt; the cheapest that bcrypt has.
const ALICE: &str = "$2y$04$abcdefghijklmnopqrstuuejsDW8.XmZTK5fnVHinmrwq2hSq5wZm";
/// `password`, from the tests of Argon2's reference implementation.
const BOB: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// Settings with Alice, Bob, and these further ones, each with a comma before it.
fn settings(further: &str) -> String {
    format!(r#"{{"users": {{"alice": "{ALICE}", "bob": "{BOB}"}}{further}}}"#)
}

fn basic_auth(settings: &str) -> MiddlewareInstance {
    middleware(&basic_auth_middleware::PLUGIN, settings, None).unwrap()
}

/// A request with a name and a password, and further fields.
fn knock(user: &str, password: &str, further: &[(&str, &str)]) -> TestRequest {
    let value = format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()));
    let mut headers = vec![("authorization", value.as_str())];
    headers.extend_from_slice(further);
    TestRequest::get(&headers)
}
