//! A showcase that chooses its host, through its table and descriptor.

use crate::host::{self, Message};
use plugin_sdk::abi::{Label, ShowcaseTable, Status, Text};
use plugin_sdk::{Error, HostFacts, Plugin, Setup, Showcase};

struct Racked;

impl Plugin for Racked {
    fn create(_setup: &Setup<'_>) -> Result<Racked, Error> {
        Ok(Racked)
    }
}

impl Showcase for Racked {
    fn describe(&self) -> Result<String, Error> {
        Ok("racked 0.2.0".to_owned())
    }
}

fn only_in_rack_a1(host: &HostFacts<'_>) -> Result<(), String> {
    match host.label("rack") {
        Some("a1") => Ok(()),
        Some("broken") => panic!("accept"),
        other => Err(format!(
            "wants rack a1, is in {}, with {:?}",
            other.unwrap_or("none"),
            host.cpu_features().last()
        )),
    }
}

plugin_sdk::export_plugin! {
    name: "racked",
    showcase: Racked,
    version: "0.2.0",
    entry: "dynlab_test_showcase",
    accept: only_in_rack_a1,
}

fn accept(labels: &[Label]) -> (Status, String) {
    let features = [Text::new("sse4_2"), Text::new("avx2")];
    let info = host::host_info(labels, &features);
    let mut message = Message::default();
    // SAFETY: everything passed outlives the call.
    let status = unsafe { PLUGIN.descriptor.accept.unwrap()(&info, message.sink()) };
    (status, message.text().to_owned())
}

#[test]
fn it_chooses_its_host() {
    let label = |key, value| Label { key: Text::new(key), value: Text::new(value) };
    assert_eq!(accept(&[label("zone", "b"), label("rack", "a1")]), (Status::OK, String::new()));
    let declined = "wants rack a1, is in none, with Some(\"avx2\")".to_owned();
    assert_eq!(accept(&[]), (Status::DECLINED, declined));
    assert_eq!(accept(&[label("rack", "broken")]), (Status::PANICKED, "panicked: accept".to_owned()));
    let garbled = Label { key: Text { ptr: b"\xff".as_ptr(), len: 1 }, value: Text::ABSENT };
    assert_eq!(
        accept(&[garbled]),
        (Status::INVALID_ARGUMENT, "a label's key: text is not UTF-8 after byte 0".to_owned())
    );
}

#[test]
fn it_describes_itself() {
    let table: ShowcaseTable = host::table(&PLUGIN, 0);
    let instance = host::create(table.create, b"").unwrap();
    let (mut description, mut error) = (Message::default(), Message::default());
    // SAFETY: a live instance, sinks that outlive the call.
    let status = unsafe { table.describe.unwrap()(instance, description.sink(), error.sink()) };
    assert_eq!((status, description.text(), error.text()), (Status::OK, "racked 0.2.0", ""));
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(instance) };
}
