//! All versions of the showcase in one host, as a server's plugin root may hold them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use plugin_host::{
    load, Admission, HandlerInstance, Host, HttpVersion, Kind, Plugin, Request, RequestHeaders, Settings,
    ShowcaseInstance, StaticPlugin,
};

fn host(labels: &[(&str, &str)]) -> Host {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Host::of_this_process(labels.collect::<BTreeMap<_, _>>()).unwrap()
}

fn answer(plugin: &StaticPlugin) -> String {
    let plugin = Plugin::linked(plugin).unwrap();
    let handler = HandlerInstance::create(&plugin, host(&[]).environment(), &Settings::default()).unwrap();
    assert_eq!((handler.route(), handler.methods()), ("/showcase", ["GET".to_owned()].as_slice()));
    let request = Request {
        method: "GET",
        path: "/showcase",
        query: None,
        mount: Some("/showcase"),
        version: HttpVersion::Http11,
        peer: None,
        headers: RequestHeaders::default(),
        body: &[],
    };
    let response = handler.handle(&request).unwrap();
    assert_eq!(response.headers, [("content-type".to_owned(), b"application/json".to_vec())]);
    String::from_utf8(response.body).unwrap()
}

#[test]
fn all_are_versions_of_one_plugin() {
    let versions = [&showcase_valid_0_1::PLUGIN, &showcase_valid_0_2::PLUGIN, &showcase_declines::PLUGIN];
    let identities = versions.map(|plugin| Plugin::linked(plugin).unwrap().identity().clone());
    for (identity, version) in identities.iter().zip(["0.1.0", "0.2.0", "0.3.0"]) {
        assert_eq!((identity.name.as_str(), identity.kind), ("showcase", Kind::Handler));
        assert_eq!(identity.version.to_string(), version);
    }
}

#[test]
fn each_answers_the_version_it_is() {
    let platform =
        format!("{}-{}", std::env::consts::ARCH, if cfg!(target_env = "musl") { "musl" } else { "gnu" });
    for (plugin, expected) in [
        (&showcase_valid_0_1::PLUGIN, r#"{"plugin": "showcase", "version": "0.1.0"}"#.to_owned()),
        (
            &showcase_valid_0_2::PLUGIN,
            format!(r#"{{"plugin": "showcase", "version": "0.2.0", "host": "{platform}"}}"#),
        ),
        (&showcase_declines::PLUGIN, r#"{"plugin": "showcase", "version": "0.3.0"}"#.to_owned()),
    ] {
        assert_eq!(answer(plugin), expected);
    }
}

#[test]
fn one_version_runs_only_where_a_label_lets_it() {
    let plugin = Plugin::linked(&showcase_declines::PLUGIN).unwrap();
    plugin.accept(host(&[("rack", "a1"), ("showcase", "allowed")]).environment()).unwrap();
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[], "this host has none of that name"),
        (&[("rack", "allowed")], "this host has none of that name"),
        (&[("showcase", "no")], "this host has showcase=no"),
    ];
    for (labels, there) in cases {
        let error = plugin.accept(host(labels).environment()).unwrap_err();
        assert_eq!(error.code(), "call.declined");
        assert_eq!(error.message, format!("wants the label showcase=allowed, {there}"));
    }
}

#[test]
fn settings_are_refused_where_there_are_none() {
    let settings = Settings { config: b"{\"a\": 1}".to_vec(), ..Settings::default() };
    for plugin in [&showcase_valid_0_1::PLUGIN, &showcase_valid_0_2::PLUGIN, &showcase_declines::PLUGIN] {
        let plugin = Plugin::linked(plugin).unwrap();
        let error = HandlerInstance::create(&plugin, host(&[]).environment(), &settings).unwrap_err();
        assert!(error.to_string().contains("has no settings; leave them out"), "{error}");
    }
}

#[test]
fn one_is_of_the_kind_showcase() {
    let plugin = Plugin::linked(&showcase_describes::PLUGIN).unwrap();
    assert_eq!(plugin.identity().kind, Kind::Showcase);
    let host = host(&[]);
    let showcase = ShowcaseInstance::create(&plugin, host.environment(), &Settings::default()).unwrap();
    let facts = host.environment();
    let expected = format!("describes 0.1.0 on {} with {} {}", facts.arch, facts.libc, facts.libc_version);
    assert_eq!(showcase.describe().unwrap(), expected);
}

#[test]
fn the_broken_one_is_refused_before_any_of_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("showcase-0.4.0.so");
    let showcases = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new("cc")
        .args(["-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror", "-I"])
        .arg(showcases.join("../abi/include"))
        .arg("-o")
        .args([&plugin, &showcases.join("broken/plugin.c")])
        .status()
        .unwrap();
    assert!(status.success());
    let error = load(&host(&[]), &Admission::default(), &plugin).unwrap_err();
    assert_eq!(error.code(), "symbol.undefined");
    assert!(error.reasons()[0].text.contains("showcase_greeting"), "{}", error.reasons()[0].text);
}
