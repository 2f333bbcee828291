//! The way from a file to an answer, and every way it can end.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use plugin_host::{
    Admission, AllowList, HandlerInstance, HttpVersion, LogLevel, Plugin, Request, RequestHeaders, Response,
    Settings, Sha256Digest, load,
};

use crate::lab::Lab;

pub(crate) fn handler(lab: &Lab, plugin: &Plugin) -> HandlerInstance {
    HandlerInstance::create(plugin, lab.host.environment(), &Settings::default()).unwrap()
}

pub(crate) fn get<'a>(path: &'a str) -> Request<'a> {
    Request {
        method: "GET",
        path,
        query: None,
        mount: Some(path),
        version: HttpVersion::Http11,
        peer: Some(SocketAddr::from(([192, 0, 2, 7], 4711))),
        headers: RequestHeaders::default(),
        body: &[],
    }
}

pub(crate) fn answer(lab: &Lab, path: &Path) -> String {
    let plugin = lab.load(path).unwrap();
    let response = handler(lab, &plugin).handle(&get("/handler")).unwrap();
    String::from_utf8(response.body).unwrap()
}

#[test]
fn a_rust_handler_is_loaded_and_answers() {
    let lab = Lab::new();
    let path = lab.rust("ip-handler");
    let plugin = lab.load(&path).unwrap();
    assert_eq!(plugin.identity().name, "ip");
    assert!(plugin.identity().compiler.starts_with("rustc "), "{}", plugin.identity().compiler);
    assert_eq!(plugin.path(), Some(path.as_path()));

    let handler = handler(&lab, &plugin);
    assert_eq!((handler.route(), handler.methods()), ("/ip", ["GET".to_owned()].as_slice()));
    let response = handler.handle(&get("/ip")).unwrap();
    assert_eq!(
        response,
        Response {
            status: 200,
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: br#"{"ip": "192.0.2.7"}"#.to_vec(),
        }
    );
}

#[test]
fn what_happens_to_the_file_after_loading_does_not_matter() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    let plugin = lab.load(&path).unwrap();
    // In place, which with a mapping of the file itself would be SIGBUS at the next page.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    let handler = handler(&lab, &plugin);
    assert_eq!(handler.handle(&get("/handler")).unwrap().body, b"1.0.0");
    fs::remove_file(&path).unwrap();
    assert_eq!(handler.handle(&get("/handler")).unwrap().body, b"1.0.0");
}

#[test]
fn a_truncated_plugin_is_refused_before_any_of_its_code_runs() {
    let lab = Lab::new();
    let path = lab.rust("ip-handler");
    let whole = fs::read(&path).unwrap();
    // Half of the file would be enough: the other half of a debug build is for debuggers.
    for length in [0, 1, 63, 64, 200, 5_000] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = lab.load(&path).unwrap_err();
        let expected = if length < 4 { "elf.not-elf" } else { "elf.truncated" };
        assert_eq!(error.code(), expected, "{length} bytes: {error}");
    }
}

#[test]
fn a_plugin_that_lost_what_no_loader_reads_works_and_is_remarked_on() {
    let lab = Lab::new();
    let path = lab.rust("ip-handler");
    assert_eq!(lab.load(&path).unwrap().remarks(), [""; 0]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let plugin = lab.load(&path).unwrap();
    assert_eq!(plugin.remarks().len(), 1);
    assert_eq!(handler(&lab, &plugin).handle(&get("/ip")).unwrap().status, 200);
}

#[test]
fn a_panic_in_a_constructor_is_an_error() {
    let lab = Lab::new();
    let plugin = lab.load(&lab.rust("panic-in-create")).unwrap();
    let settings = Settings::default();
    let error = HandlerInstance::create(&plugin, lab.host.environment(), &settings).unwrap_err();
    assert_eq!(error.code(), "create.panicked");
    assert!(error.to_string().contains("panic-in-create panics"), "{error}");
}

#[test]
fn a_plugin_whose_panics_would_end_this_process_is_loaded_only_if_that_is_allowed() {
    let lab = Lab::new();
    let path = lab.rust_that_aborts("ip-handler");
    let error = lab.load(&path).unwrap_err();
    assert_eq!(error.code(), "panic.abort");
    assert!(error.to_string().contains("(debug+abort), so a panic in it would end host"), "{error}");

    let admission = Admission { allow_abort: true, ..Admission::default() };
    let plugin = load(&lab.host, &admission, &path).unwrap();
    assert!(plugin.identity().aborts_on_panic());
    assert!(plugin.remarks()[0].starts_with("a panic in it ends this process"), "{:?}", plugin.remarks());
    assert_eq!(handler(&lab, &plugin).handle(&get("/ip")).unwrap().status, 200);
    let unwinding = load(&lab.host, &admission, &lab.rust("ip-handler")).unwrap();
    assert!(!unwinding.identity().aborts_on_panic() && unwinding.remarks().is_empty());
}

#[test]
fn a_plugin_may_decline_a_host_by_its_labels() {
    let lab = Lab::new();
    let picky = r#"ACCEPT=dynlab_put(reason, "wants rack b2"); return host->label_count == 1 ? 2 : 0;"#;
    let error = lab.load(&lab.handler("a.so", "a", "1.0.0", &[picky])).unwrap_err();
    assert_eq!(error.code(), "accept.declined");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("wants rack b2"), "{source}");
}

#[test]
fn an_allow_list_lets_nothing_else_in() {
    let lab = Lab::new();
    let (known, other) = (lab.handler("a.so", "a", "1.0.0", &[]), lab.handler("b.so", "b", "1.0.0", &[]));
    let list = AllowList::from_iter([Sha256Digest::of(&fs::read(&known).unwrap())]);
    let admission = Admission { allow_list: Some(list), ..Admission::default() };
    load(&lab.host, &admission, &known).unwrap();
    assert_eq!(load(&lab.host, &admission, &other).unwrap_err().code(), "file.not-allowed");
}

#[test]
fn invalid_responses_are_errors() {
    let lab = Lab::new();
    let cases = [
        "WORK=response->set_status(response->context, 99);",
        r#"WORK=response->add_header(response->context, dynlab_text("a b"), dynlab_bytes("1", 1));"#,
        r#"WORK=response->add_header(response->context, dynlab_text("a"), dynlab_bytes("1\r\nb: 2", 7));"#,
        r#"WORK=response->add_header(response->context, dynlab_text("content-length"), dynlab_bytes("9", 1));"#,
        "WORK=response->write_body(response->context, dynlab_bytes(NULL, 5));",
        "WORK=response->write_body(response->context, dynlab_bytes(\"x\", (size_t)-1));",
    ];
    for (number, work) in cases.into_iter().enumerate() {
        let path = lab.handler(&format!("{number}.so"), "a", "1.0.0", &[work]);
        let plugin = lab.load(&path).unwrap();
        let error = handler(&lab, &plugin).handle(&get("/handler")).unwrap_err();
        assert_eq!(error.code(), "call.invalid-argument", "{work}");
    }
}

#[test]
fn invalid_constants_in_a_table_are_errors() {
    let lab = Lab::new();
    for (number, constant) in
        ["METHOD=\"get it\"", "METHOD=\"\"", "ROUTE=\"handler\"", "ROUTE=\"/a b\"", "ROUTE=\"\""]
            .into_iter()
            .enumerate()
    {
        let path = lab.handler(&format!("{number}.so"), "a", "1.0.0", &[constant]);
        let plugin = lab.load(&path).unwrap();
        let error =
            HandlerInstance::create(&plugin, lab.host.environment(), &Settings::default()).unwrap_err();
        assert_eq!(error.code(), "descriptor.malformed", "{constant}");
    }
}

#[test]
fn instances_log_through_the_host() {
    static LINES: Mutex<Vec<(String, LogLevel, String)>> = Mutex::new(Vec::new());
    fn keep(plugin: &str, level: LogLevel, line: &str) {
        LINES.lock().unwrap().push((plugin.to_owned(), level, line.to_owned()));
    }
    let lab = Lab::new();
    let plugin = lab.load(&lab.handler("a.so", "talkative", "1.0.0", &[])).unwrap();
    let settings = Settings { log: Some(keep), ..Settings::default() };
    HandlerInstance::create(&plugin, lab.host.environment(), &settings).unwrap();
    let lines = LINES.lock().unwrap();
    assert_eq!(*lines, [("talkative".to_owned(), LogLevel::Info, "created talkative".to_owned())]);
}

#[test]
fn an_unknown_factory_is_named_with_those_there_are() {
    let lab = Lab::new();
    let plugin = lab.load(&lab.handler("a.so", "a", "1.0.0", &[])).unwrap();
    let settings = Settings { factory: Some("lru".to_owned()), ..Settings::default() };
    let error = HandlerInstance::create(&plugin, lab.host.environment(), &settings).unwrap_err();
    assert_eq!(error.to_string(), "has no factory `lru`; it has default");
}
