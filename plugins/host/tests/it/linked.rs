//! A plugin that is linked into the program: the same tables, the same wrappers, no file.

use plugin_host::{Kind, Origin, Plugin};

use crate::lab::Lab;
use crate::loading::{get, handler};

#[test]
fn a_linked_plugin_works_like_a_loaded_one() {
    let lab = Lab::new();
    let linked = Plugin::linked(&ip_handler::PLUGIN).unwrap();
    let loaded = lab.load(&lab.rust("ip-handler")).unwrap();
    assert_eq!((linked.origin(), linked.path()), (&Origin::Linked, None));
    assert_eq!(linked.identity().kind, Kind::Handler);
    assert_eq!(linked.identity().name, loaded.identity().name);
    linked.accept(lab.host.environment()).unwrap();
    let answers = [&linked, &loaded].map(|plugin| handler(&lab, plugin).handle(&get("/ip")).unwrap());
    assert_eq!(answers[0], answers[1]);
}
