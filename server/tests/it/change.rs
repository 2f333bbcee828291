//! Plugins that come, change and go while the server runs.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use reqwest::blocking::{Client, get};

use crate::lab::{Lab, Server};

const PANICS: &str = "WORK=if (request->query.len) return DYNLAB_STATUS_PANICKED;";

fn panic_often(server: &Server, times: u32) {
    for _ in 0..times {
        assert_eq!(get(server.url("/handler?panic")).unwrap().status(), 500);
    }
}

#[test]
fn what_appears_is_served_and_what_goes_gives_way_to_the_version_before() {
    let lab = Lab::new().handler("handler-1.so", &[]);
    let mut server = lab.serve(&[]);
    server.wait_for_answer("/handler", "1.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\""]), "handler-2.so");
    server.wait_for_answer("/handler", "1.1.0");
    server.wait_for_log("msg=activated plugin=handler version=1.1.0 kind=handler instead_of=1.0.0");
    lab.deploy(&lab.staged(&["NAME=\"other\"", "ROUTE=\"/other\"", "ANSWER=\"other\""]), "other.so");
    server.wait_for_answer("/other", "other");

    fs::remove_file(lab.path("handler-2.so")).unwrap();
    server.wait_for_answer("/handler", "1.0.0");
    fs::remove_file(lab.path("handler-1.so")).unwrap();
    server.wait_for_answer("/handler", "Not Found\n");
    server.wait_for_answer("/other", "other");
}

#[test]
fn swaps_under_load_fail_no_request() {
    let lab = Lab::new().handler("handler.so", &["VERSION=\"1.0.0\""]);
    let mut server = lab.serve(&[]);
    let staged: Vec<_> = (1..=10).map(|minor| lab.staged(&[&format!("VERSION=\"1.{minor}.0\"")])).collect();
    let swapping = AtomicBool::new(true);
    thread::scope(|scope| {
        let url = server.url("/handler");
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (url, swapping) = (url.clone(), &swapping);
                scope.spawn(move || {
                    let client = Client::new();
                    let mut requests = 0;
                    while swapping.load(Ordering::Relaxed) {
                        let response = client.get(&url).send().unwrap();
                        assert_eq!(response.status(), 200);
                        assert!(response.text().unwrap().starts_with("1."));
                        requests += 1;
                    }
                    requests
                })
            })
            .collect();
        for (index, staged) in staged.iter().enumerate() {
            lab.deploy(staged, "handler.so");
            server.wait_for_answer("/handler", &format!("1.{}.0", index + 1));
        }
        swapping.store(false, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
}

#[test]
fn half_copied_files_are_left_alone() {
    let lab = Lab::new();
    let mut server = lab.serve(&[]);
    let whole = fs::read(lab.staged(&[])).unwrap();
    let mut copy = File::create(lab.path("slow.so")).unwrap();
    copy.write_all(&whole[..whole.len() / 2]).unwrap();
    // A second plugin shows that the folder is looked at meanwhile.
    lab.deploy(&lab.staged(&["NAME=\"other\"", "ROUTE=\"/other\"", "ANSWER=\"other\""]), "other.so");
    server.wait_for_answer("/other", "other");
    assert!(!server.has_logged("slow.so"), "it was looked at before it was complete");
    copy.write_all(&whole[whole.len() / 2..]).unwrap();
    drop(copy);
    server.wait_for_answer("/handler", "1.0.0");
    assert!(!server.has_logged("plugin refused"));
}

#[test]
fn a_file_rewritten_in_place_is_noticed_and_hurts_nobody() {
    let lab = Lab::new().handler("handler.so", &[]);
    let mut server = lab.serve(&[]);
    let other = fs::read(lab.staged(&["VERSION=\"1.1.0\""])).unwrap();
    fs::write(lab.path("handler.so"), &other).unwrap();
    server.wait_for_log("the file was rewritten in place while it was in use");
    server.wait_for_answer("/handler", "1.1.0");
    // Cut short while it is mapped: what runs is a copy.
    OpenOptions::new().write(true).open(lab.path("handler.so")).unwrap().set_len(100).unwrap();
    server.wait_for_log("handlers/handler.so code=elf.truncated");
    server.wait_for_log("what was loaded from the file before stays in use\" plugin=handler version=1.1.0");
    server.wait_for_answer("/handler", "1.1.0");
}

#[test]
fn a_file_that_is_only_touched_or_renamed_stays_as_it_is() {
    let lab = Lab::new().handler("handler.so", &[]);
    let mut server = lab.serve(&[]);
    let now = std::time::SystemTime::now();
    File::options().write(true).open(lab.path("handler.so")).unwrap().set_modified(now).unwrap();
    fs::rename(lab.path("handler.so"), lab.path("renamed.so")).unwrap();
    server.wait_for_log("renamed.so kind=handler");
    server.wait_for_answer("/handler", "1.0.0");
    assert!(!server.has_logged("handler 1.0.0 is gone"), "the version was missing for a moment");
    assert!(!server.has_logged("rewritten in place"));
}

#[test]
fn a_bad_successor_does_not_take_the_good_one_down() {
    let lab = Lab::new().handler("handler.so", &[]);
    let mut server = lab.serve(&[]);
    let bad = lab.staged(&["VERSION=\"2.0.0\"", r#"ACCEPT=dynlab_put(reason, "wrong rack"); return 2;"#]);
    lab.deploy(&bad, "handler.so");
    let line = server.wait_for_log("handlers/handler.so code=accept.declined");
    assert!(line.contains("wrong rack"), "{line}");
    server.wait_for_answer("/handler", "1.0.0");
}

#[test]
fn an_older_version_in_place_of_a_newer_one_takes_effect() {
    let lab = Lab::new().handler("handler.so", &["VERSION=\"2.0.0\""]);
    let mut server = lab.serve(&[]);
    server.wait_for_answer("/handler", "2.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"1.0.0\""]), "handler.so");
    server.wait_for_answer("/handler", "1.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"2.0.0\"", "ANSWER=\"again\""]), "handler.so");
    server.wait_for_answer("/handler", "again");
}

#[test]
fn a_panicking_successor_of_the_same_file_is_rolled_back_and_gone_with_the_file() {
    let lab = Lab::new().handler("handler.so", &[]);
    let mut server = lab.serve(&[]);
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\"", PANICS]), "handler.so");
    server.wait_for_answer("/handler", "1.1.0");
    panic_often(&server, 5);
    server.wait_for_answer("/handler", "1.0.0");
    fs::remove_file(lab.path("handler.so")).unwrap();
    server.wait_for_answer("/handler", "Not Found\n");
}

#[test]
fn a_quarantine_lasts_until_the_file_changes() {
    let lab = Lab::new().handler("1.so", &[]).handler("2.so", &["VERSION=\"1.1.0\"", PANICS]);
    let mut server = lab.serve(&["--panic-limit", "2", "--panic-window", "1m"]);
    panic_often(&server, 2);
    server.wait_for_log("version=1.1.0 kind=handler panics=2");
    server.wait_for_answer("/handler", "1.0.0");
    // Neither a new name nor a new date is a change of what was quarantined.
    let now = std::time::SystemTime::now();
    File::options().write(true).open(lab.path("2.so")).unwrap().set_modified(now).unwrap();
    lab.deploy(&lab.staged(&["NAME=\"other\"", "ROUTE=\"/other\"", "ANSWER=\"other\""]), "other.so");
    server.wait_for_answer("/other", "other");
    server.wait_for_answer("/handler", "1.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\"", "ANSWER=\"mended\""]), "2.so");
    server.wait_for_answer("/handler", "mended");
}

#[test]
fn a_version_may_move_to_another_route() {
    let lab = Lab::new().handler("1.so", &["ROUTE=\"/old\""]);
    let mut server = lab.serve(&[]);
    server.wait_for_answer("/old", "1.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"2.0.0\"", "ROUTE=\"/new\""]), "2.so");
    server.wait_for_answer("/new", "2.0.0");
    server.wait_for_answer("/old", "Not Found\n");
}

#[test]
fn who_has_a_route_keeps_it() {
    let lab = Lab::new().handler("beta.so", &["NAME=\"beta\"", "ROUTE=\"/x\"", "ANSWER=\"beta\""]);
    let mut server = lab.serve(&[]);
    lab.deploy(&lab.staged(&["NAME=\"alpha\"", "ROUTE=\"/x\"", "ANSWER=\"alpha\""]), "alpha.so");
    let line = server.wait_for_log("code=route.taken");
    assert!(line.contains("alpha 1.0.0 wants the route /x, which beta 1.0.0 has"), "{line}");
    server.wait_for_answer("/x", "beta");
    fs::remove_file(lab.path("beta.so")).unwrap();
    server.wait_for_answer("/x", "alpha");
}

#[test]
fn a_duplicate_takes_over_when_the_other_goes() {
    let lab = Lab::new().handler("a.so", &["ANSWER=\"a\""]).handler("b.so", &["ANSWER=\"b\""]);
    let mut server = lab.serve(&[]);
    server.wait_for_log("handlers/b.so code=plugin.duplicate");
    server.wait_for_answer("/handler", "a");
    fs::remove_file(lab.path("a.so")).unwrap();
    server.wait_for_answer("/handler", "b");
}

#[test]
fn folders_may_come_later() {
    let lab = Lab::new();
    fs::remove_dir(lab.root().join("handlers")).unwrap();
    let mut server = lab.serve(&[]);
    let staged = lab.staged(&[]);
    fs::create_dir(lab.root().join("handlers")).unwrap();
    lab.deploy(&staged, "handler.so");
    server.wait_for_answer("/handler", "1.0.0");
}

#[test]
fn middlewares_come_and_go_too() {
    let lab = Lab::new().mirror(&[]);
    let mut server = lab.serve(&[]);
    server.wait_for_answer("/mirror", " /mirror");
    let lab = lab.marker("first", &[]);
    server.wait_for_answer("/mirror", " /mirror first");
    fs::remove_file(lab.root().join("middlewares/first.so")).unwrap();
    server.wait_for_answer("/mirror", " /mirror");
}

#[test]
fn on_change_exit_answers_what_is_open_and_ends_with_75() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""]);
    let mut server =
        lab.serve(&["--on-change", "exit", "--shutdown-deadline", "60s", "--read-timeout", "60s"]);
    let mut stream = server.begin_post();
    lab.deploy(&lab.staged(&[]), "handler.so");
    server.wait_for_log("stopping, because the plugins changed");
    stream.write_all(b"body").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("taken"), "{answer}");
    assert_eq!(server.wait().0.code(), Some(75));
}

#[test]
fn on_change_ignore_leaves_everything_as_it_is() {
    let lab = Lab::new().handler("handler.so", &[]);
    let mut ignoring = lab.serve(&["--on-change", "ignore"]);
    let mut swapping = lab.serve(&[]);
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\""]), "handler.so");
    swapping.wait_for_answer("/handler", "1.1.0");
    ignoring.wait_for_answer("/handler", "1.0.0");
    assert!(!ignoring.has_logged("1.1.0"));
}

#[test]
fn a_name_that_says_something_else_is_pointed_out() {
    let arch = std::env::consts::ARCH;
    let wrong = format!("handler-2.0.0-{arch}-gnu.so");
    let lab = Lab::new().handler(&wrong, &[]).ip("ip.so");
    let mut server = lab.serve(&[]);
    let line = server.wait_for_log("the file's name says something else than the plugin");
    assert!(line.contains(&wrong) && line.contains(&format!("expected=handler-1.0.0-{arch}-")), "{line}");
    server.wait_for_answer("/handler", "1.0.0");
    fs::rename(lab.path(&wrong), lab.path("handler.so")).unwrap();
    server.wait_for_log("handler.so kind=handler");
    assert!(!server.has_logged("expected=ip") && !server.has_logged("handlers/handler.so expected"));
}
