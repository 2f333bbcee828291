//! Versions of one plugin in the registry: the newest is called, a bad one gives way.

use std::sync::{Arc, Mutex};

use plugin_host::{FaultPolicy, HandlerInstance, Registry, Slot};

use crate::lab::Lab;
use crate::loading::{get, handler};

fn call(slot: &Slot<HandlerInstance>) -> Result<String, String> {
    slot.call(|instance| instance.handle(&get("/handler")))
        .map(|response| String::from_utf8(response.body).unwrap())
        .map_err(|error| error.code().to_owned())
}

#[test]
fn a_version_that_panics_is_rolled_back() {
    let lab = Lab::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&events);
    let policy = FaultPolicy { threshold: 3, ..FaultPolicy::default() };
    let registry = Registry::new(policy, move |event| listener.lock().unwrap().push(event.to_string()));

    let panics = "WORK=if (request->query.len > 0 || calls > 1) return DYNLAB_STATUS_PANICKED;";
    for (version, more) in [("1.0.0", [].as_slice()), ("1.1.0", &[panics])] {
        let plugin = lab.load(&lab.handler(&format!("{version}.so"), "a", version, more)).unwrap();
        registry.publish(&plugin.identity().name, plugin.identity().version.clone(), handler(&lab, &plugin));
    }
    let slot = registry.slot("a").unwrap();
    assert_eq!(call(&slot).unwrap(), "1.1.0");
    for _ in 0..3 {
        assert_eq!(call(&slot).unwrap_err(), "call.panicked");
    }
    assert_eq!(call(&slot).unwrap(), "1.0.0");
    assert_eq!(
        events.lock().unwrap().as_slice(),
        [
            "a 1.0.0 is active",
            "a 1.1.0 is active instead of 1.0.0",
            "a 1.1.0 is in quarantine after 3 panics",
            "a 1.0.0 is active instead of 1.1.0",
        ]
    );
}

#[test]
fn versions_are_swapped_under_load_without_a_failed_call() {
    let lab = Lab::new();
    let registry = Registry::new(FaultPolicy::default(), |_| ());
    let publish = |version: &str| {
        let plugin = lab.load(&lab.handler(&format!("{version}.so"), "a", version, &[])).unwrap();
        registry.publish("a", version.parse().unwrap(), handler(&lab, &plugin))
    };
    let slot = publish("1.0.0");
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                scope.spawn(move || while call(&slot).unwrap() != "3.0.0" {})
            })
            .collect();
        publish("2.0.0");
        publish("3.0.0");
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    assert_eq!(slot.roll_back().unwrap().to_string(), "2.0.0");
    assert_eq!(call(&slot).unwrap(), "2.0.0");
}
