//! Plugins linked into one program instead of being loaded: their symbols do not clash, their tables work.

use crate::host;
use plugin_sdk::abi::{HandlerTable, Status};

#[test]
fn two_plugin_crates_live_in_one_program() {
    let ip = ip_handler::PLUGIN.note.identity().unwrap();
    let other = panic_in_create::PLUGIN.note.identity().unwrap();
    assert_eq!((ip.name, ip.entry), ("ip", "dynlab_plugin_ip_handler"));
    assert_eq!((other.name, other.entry), ("panic-in-create", "dynlab_plugin_panic_in_create"));

    let table: HandlerTable = host::table(&ip_handler::PLUGIN, 0);
    let instance = host::create(table.create, b"").unwrap();
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(instance) };
    assert_eq!(host::create(table.create, b"x=1").unwrap_err().0, Status::INVALID_ARGUMENT);

    let table: HandlerTable = host::table(&panic_in_create::PLUGIN, 0);
    let (status, message) = host::create(table.create, b"").unwrap_err();
    assert_eq!(
        (status, &*message),
        (Status::PANICKED, "panicked: the constructor of panic-in-create panics")
    );
}
