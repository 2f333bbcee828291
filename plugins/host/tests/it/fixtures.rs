//! The deliberately bad plugins, in this process as their host.

use crate::lab::Lab;
use crate::loading::{get, handler};

#[test]
fn bad_plugins_are_refused_for_what_is_wrong_with_them() {
    let lab = Lab::new();
    let cases = [
        ("abi-major-2", "abi.major"),
        ("abi-minor-newer", "abi.minor"),
        ("unknown-kind", "abi.kind"),
        ("no-note", "note.missing"),
        ("garbled-note", "note.garbled"),
        ("no-entry", "entry.missing"),
        ("undefined-symbol", "symbol.undefined"),
    ];
    for (name, code) in cases {
        let path = lab.compile(&format!("{name}.so"), &format!("../fixtures/{name}.c"), &[]);
        let error = lab.load(&path).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(!error.reasons().is_empty(), "{name} is refused by the judge, before any of its code runs");
    }
}

#[test]
fn a_plugin_of_an_older_minor_version_works() {
    let lab = Lab::new();
    let path = lab.compile("older.so", "../fixtures/abi-minor-older.c", &[]);
    let plugin = lab.load(&path).unwrap();
    assert_eq!(plugin.identity().abi, (1, 0));
    let handler = handler(&lab, &plugin);
    assert_eq!(handler.handle(&get("/fixture")).unwrap().body, b"fixture");
    handler.health().unwrap();
}

#[test]
fn a_descriptor_that_contradicts_the_note_is_refused() {
    let lab = Lab::new();
    let path = lab.compile("liar.so", "tests/it/plugins/liar.c", &[]);
    let error = lab.load(&path).unwrap_err();
    assert_eq!(error.code(), "descriptor.differs-from-note", "{error}");
}
