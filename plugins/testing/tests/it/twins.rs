//! Plugins linked into one program instead of being loaded: their symbols do not clash, their tables work.

#[test]
fn two_plugin_crates_live_in_one_program() {
    let ip = ip_handler::PLUGIN.note.identity().unwrap();
    let other = panic_in_create::PLUGIN.note.identity().unwrap();
    assert_eq!((ip.name, ip.entry), ("ip", "dynlab_plugin_ip_handler"));
    assert_eq!((other.name, other.entry), ("panic-in-create", "dynlab_plugin_panic_in_create"));

    assert_eq!(plugin_testing::handler(&ip_handler::PLUGIN, "").unwrap().route(), "/ip");
    let error = plugin_testing::handler(&ip_handler::PLUGIN, "x=1").map(drop).unwrap_err();
    assert_eq!(error.code(), "create.failed", "{error}");
    let error = plugin_testing::handler(&panic_in_create::PLUGIN, "").map(drop).unwrap_err();
    assert_eq!(error.code(), "create.panicked", "{error}");
    assert!(error.to_string().contains("the constructor of panic-in-create panics"), "{error}");
}
