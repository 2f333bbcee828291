//! What the macro writes: the note and the descriptor.

use crate::{cache, handler, middleware, resolver, showcase};
use plugin_sdk::abi::{Kind, StaticPlugin, ABI_MAJOR, ABI_MINOR};

#[test]
fn note_and_descriptor_say_the_same() {
    let plugins: [(&StaticPlugin, Kind, &str); 5] = [
        (&handler::PLUGIN, Kind::Handler, "obedient"),
        (&middleware::PLUGIN, Kind::Middleware, "tagger"),
        (&cache::PLUGIN, Kind::Cache, "two-caches"),
        (&resolver::PLUGIN, Kind::Resolver, "names"),
        (&showcase::PLUGIN, Kind::Showcase, "racked"),
    ];
    for (plugin, kind, name) in plugins {
        let identity = plugin.note.identity().unwrap();
        assert_eq!((identity.name, identity.known_kind()), (name, Some(kind)));
        assert_eq!((identity.abi_major, identity.abi_minor), (ABI_MAJOR, ABI_MINOR));
        let descriptor = plugin.descriptor;
        assert_eq!((descriptor.abi_major, descriptor.abi_minor), (ABI_MAJOR, ABI_MINOR));
        assert_eq!((descriptor.kind, descriptor.flags), (kind.code(), 0));
    }
}

#[test]
fn the_note_tells_about_the_build() {
    let identity = handler::PLUGIN.note.identity().unwrap();
    assert_eq!(identity.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(identity.entry, "dynlab_test_handler");
    assert!(identity.target.starts_with(std::env::consts::ARCH), "{}", identity.target);
    assert!(identity.compiler.starts_with("rustc 1."), "{}", identity.compiler);
    assert!(!identity.compiler.contains('('), "{}", identity.compiler);
    assert_eq!(identity.profile, if cfg!(debug_assertions) { "debug" } else { "release" });
    assert_eq!(identity.source_digest, "unknown");
    assert_eq!(showcase::PLUGIN.note.identity().unwrap().version, "0.2.0");
}
