//! Middlewares before the handlers, and what the configuration file says of plugins.

use reqwest::blocking::get;

use crate::lab::Lab;

fn marks(response: &reqwest::blocking::Response) -> Vec<&str> {
    response.headers().get_all("mark").iter().map(|mark| mark.to_str().unwrap()).collect()
}

#[test]
fn middlewares_stand_in_the_order_of_the_file_and_then_of_their_names() {
    let lab = Lab::new().mirror(&[]).marker("a", &[]).marker("b", &[]).marker("c", &[]);
    let server = lab.serve(&[&lab.config("middleware-order = [\"c\"]")]);
    let response = get(server.url("/mirror")).unwrap();
    assert_eq!(marks(&response), ["b", "a", "c"]);
    assert_eq!(response.text().unwrap(), " /mirror c a b");
    // The server's own refusals pass them, too.
    let response = get(server.url("/nothing")).unwrap();
    assert_eq!((response.status().as_u16(), marks(&response).len()), (404, 3));
}

#[test]
fn a_middleware_may_answer_itself_and_those_before_it_see_the_answer() {
    let answers = r#"BEFORE=if (is_path(request, "/teapot")) { response->set_status(response->context, 418); return DYNLAB_STATUS_ANSWERED; }"#;
    let lab = Lab::new().mirror(&[]).marker("a", &[]).marker("b", &[answers]).marker("c", &[]);
    let server = lab.serve(&[]);
    let response = get(server.url("/teapot")).unwrap();
    assert_eq!((response.status().as_u16(), marks(&response)), (418, vec!["a"]));
    assert_eq!(marks(&get(server.url("/mirror")).unwrap()), ["c", "b", "a"]);
}

#[test]
fn routing_follows_a_target_that_a_middleware_changed() {
    let moves = r#"BEFORE=if (is_path(request, "/alias")) edit->set_target(edit->context, dynlab_text("/mirror"), (DynlabText){0});"#;
    let lab = Lab::new().mirror(&[]).marker("a", &[moves]);
    let server = lab.serve(&[]);
    assert_eq!(get(server.url("/alias")).unwrap().text().unwrap(), " /mirror a");
}

#[test]
fn a_middleware_that_fails_gives_500_and_tells_only_the_log() {
    let lab = Lab::new()
        .mirror(&[])
        .marker("a", &[r#"AFTER=if (response->status == 200) return DYNLAB_STATUS_FAILED;"#])
        .marker("b", &[r#"BEFORE=if (request->query.len) { dynlab_put(error, "the secret"); return DYNLAB_STATUS_PANICKED; }"#]);
    let mut server = lab.serve(&[]);
    let before = get(server.url("/mirror?x")).unwrap();
    assert_eq!(before.status(), 500);
    assert_eq!(marks(&before), ["a"], "the one outside of it lives on");
    let line = server.wait_for_log("plugin=b version=1.0.0 method=GET");
    assert!(line.contains("code=call.panicked") && line.contains("the secret"), "{line}");
    assert_eq!(get(server.url("/mirror")).unwrap().status(), 500);
    server.wait_for_log("plugin=a version=1.0.0 method=GET path=/mirror code=call.failed");
}

#[test]
fn nothing_is_served_while_a_required_middleware_is_missing() {
    let lab = Lab::new().mirror(&[]);
    let config =
        lab.config("middleware-order = [\"guard\", \"extra\"]\n[middlewares.extra]\nrequired = false\n");
    let mut server = lab.serve(&[&config]);
    let line = server.wait_for_log("a required middleware is not there");
    assert!(line.contains("middleware=guard"), "{line}");
    assert_eq!(get(server.url("/mirror")).unwrap().status(), 503);
    let lab = lab.marker("guard", &[]);
    server.wait_for_answer("/mirror", " /mirror guard");
    std::fs::remove_file(lab.root().join("middlewares/guard.so")).unwrap();
    server.wait_for_answer("/mirror", "Service Unavailable\n");
    assert!(!server.has_logged("middleware=extra"));
}

#[test]
fn handlers_are_mounted_and_set_up_as_the_file_says() {
    let lab = Lab::new().mirror(&[]);
    let text = lab.config("[handlers.mirror]\nmount = \"/elsewhere/\"\nsettings = \"as it is\"\n");
    let server = lab.serve(&[&text]);
    assert_eq!(get(server.url("/elsewhere/x")).unwrap().text().unwrap(), "as it is /elsewhere/");
    assert_eq!(get(server.url("/mirror")).unwrap().status(), 404);

    let table = lab.config("[handlers.mirror.settings]\nb = [1, 2.5]\na = { c = true }\n");
    let server = lab.serve(&[&table]);
    assert_eq!(
        get(server.url("/mirror")).unwrap().text().unwrap(),
        r#"{"a":{"c":true},"b":[1,2.5]} /mirror"#
    );
}

#[test]
fn settings_for_nobody_are_pointed_out() {
    let lab = Lab::new().mirror(&[]);
    let config = lab.config("[handlers.miror]\n[handlers.mirror]\n[middlewares.cros]\nrequired = false\n");
    let mut server = lab.serve(&[&config]);
    server.wait_for_log("settings for a plugin that is not there\" plugin=miror");
    server.wait_for_log("settings for a plugin that is not there\" plugin=cros");
    assert!(!server.has_logged("not there\" plugin=mirror"));
}

#[test]
fn a_plugin_that_refuses_its_settings_is_refused() {
    let lab = Lab::new().mirror(&[]);
    let config = lab.config(&format!("[handlers.mirror]\nsettings = \"{}\"", "x".repeat(300)));
    let mut server = lab.serve(&[&config]);
    let line = server.wait_for_log("handlers/mirror.so code=create.failed");
    assert!(line.contains("the settings are too long"), "{line}");
}

#[test]
fn a_blocking_handler_does_not_hold_up_other_connections() {
    // It answers only after another connection of the same single thread was served.
    let work = r#"WORK=extern int usleep(unsigned); extern long write(int, const void *, unsigned long); static int quick; if (request->query.len) __atomic_store_n(&quick, 1, __ATOMIC_SEQ_CST); else { write(2, "entered\n", 8); while (!__atomic_load_n(&quick, __ATOMIC_SEQ_CST)) usleep(1000); }"#;
    let lab = Lab::new().mirror(&[work]);
    let config = lab.config("[handlers.mirror]\nblocking = true\n");
    let mut server = lab.serve(&[&config, "--threads", "1"]);
    let url = server.url("/mirror");
    let slow = std::thread::spawn(move || get(url).unwrap().status());
    server.wait_for_log("entered");
    assert_eq!(get(server.url("/mirror?quick")).unwrap().status(), 200);
    assert_eq!(slow.join().unwrap(), 200);
}

#[test]
fn a_call_that_holds_up_others_is_pointed_out() {
    let lab = Lab::new().mirror(&["WORK=extern int usleep(unsigned); usleep(110000);"]);
    let mut server = lab.serve(&[]);
    assert_eq!(get(server.url("/mirror")).unwrap().status(), 200);
    assert!(server.wait_for_log("set `blocking = true`").contains("plugin=mirror"));
}
