//! The real `plugin-probe`, watched from outside.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::{Lab, run};

fn probe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_plugin-probe"))
}

fn say(verb: &str, more: &[&str], file: &Path) -> Value {
    serde_json::from_str(&run(probe().arg(verb).args(more).arg(file))).unwrap()
}

fn observe_all(jobs: &[Value], more: &[&str]) -> Vec<Value> {
    let mut child = probe()
        .args(["observe-all", "--cpu-seconds", "1", "--wall-seconds", "4"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for job in jobs {
        writeln!(stdin, "{job}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let mut lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["id"].as_u64());
    lines
}

#[test]
fn observe_loads_and_calls_each_kind() {
    let lab = Lab::new();
    let cases = [
        (lab.rust("ip-handler"), r#"GET /ip 200 {"ip": "127.0.0.1"}"#),
        (lab.compile("c.so", "tests/it/plugins/cache.c", &["LATE"]), "kept a value"),
        (
            lab.compile("m.so", "tests/it/plugins/middleware.c", &[]),
            "5 edits before, then 201 with content-type, x-a, x-b and 7 bytes",
        ),
        (lab.compile("r.so", "tests/it/plugins/resolver.c", &[]), "does not know localhost"),
    ];
    for (file, message) in cases {
        let expected = json!({"outcome": "works", "stage": "call", "code": null, "message": message});
        assert_eq!(say("observe", &[], &file), expected);
        assert_eq!(say("observe", &["--truncate-after-judging"], &file), expected);
        let loaded = say("load", &[], &file);
        assert_eq!((&loaded["outcome"], &loaded["reasons"]), (&json!("works"), &json!([])), "{loaded}");
    }
}

#[test]
fn observe_says_where_and_why_a_plugin_fails() {
    let lab = Lab::new();
    let cases = [
        ("abi-major-2", "refused", "abi", "abi.major"),
        ("abi-minor-newer", "refused", "abi", "abi.minor"),
        ("unknown-kind", "refused", "abi", "abi.kind"),
        ("no-note", "refused", "note", "note.missing"),
        ("garbled-note", "refused", "note", "note.garbled"),
        ("no-entry", "refused", "entry", "entry.missing"),
        ("undefined-symbol", "refused", "dlopen", "symbol.undefined"),
    ];
    for (name, outcome, stage, code) in cases {
        let file = lab.compile(&format!("{name}.so"), &format!("../fixtures/{name}.c"), &[]);
        let seen = say("observe", &[], &file);
        let found = (seen["outcome"].as_str(), seen["stage"].as_str(), seen["code"].as_str());
        assert_eq!(found, (Some(outcome), Some(stage), Some(code)), "{seen}");
        let judged = say("load", &[], &file);
        assert_eq!(
            (judged["stage"].as_str(), judged["code"].as_str()),
            (Some("judge"), Some(code)),
            "{judged}"
        );
    }
    let seen = say("observe", &[], &lab.rust("panic-in-create"));
    let found = (seen["outcome"].as_str(), seen["stage"].as_str(), seen["code"].as_str());
    assert_eq!(found, (Some("failed"), Some("create"), Some("create.panicked")), "{seen}");
}

#[test]
fn a_plugin_that_declines_is_told_from_one_that_fails() {
    let lab = Lab::new();
    let says = |file: &str, accept: &str| lab.handler(file, "a", "1.0.0", &[&format!("ACCEPT={accept}")]);
    let labels = r#"dynlab_put(reason, "wants a label"); return host->label_count ? 0 : 2;"#;
    let cases = [
        (says("no.so", labels), "declined", "accept.declined", "wants a label"),
        (says("fail.so", "return -2;"), "failed", "call.failed", "call.failed: no message"),
    ];
    for (file, outcome, code, message) in cases {
        let expected = json!({"outcome": outcome, "stage": "accept", "code": code, "message": message});
        assert_eq!(say("observe", &[], &file), expected);
        let mut loaded = say("load", &[], &file);
        loaded.as_object_mut().unwrap().remove("reasons");
        assert_eq!(loaded, expected);
    }
    let accepted = say("load", &["--label", "any=1"], &lab.path("no.so"));
    assert_eq!(accepted["outcome"], "works", "{accepted}");
}

#[test]
fn panics_that_nothing_catches_are_allowed_or_refused_and_end_the_process() {
    let lab = Lab::new();
    let (good, panics) = (lab.rust_that_aborts("ip-handler"), lab.rust_that_aborts("panic-in-create"));
    let refused = say("load", &[], &good);
    assert_eq!((&refused["stage"], &refused["code"]), (&json!("judge"), &json!("panic.abort")), "{refused}");
    assert_eq!(refused["reasons"][0]["code"], "panic.abort");
    let loaded = say("load", &["--allow-abort"], &good);
    assert_eq!((&loaded["outcome"], &loaded["reasons"]), (&json!("works"), &json!([])), "{loaded}");

    let jobs = [
        json!({"id": 1, "file": good}),
        json!({"id": 2, "file": good, "allow_abort": true}),
        json!({"id": 3, "file": panics, "allow_abort": true}),
        json!({"id": 4, "file": lab.rust("panic-in-create")}),
    ];
    let lines = observe_all(&jobs, &[]);
    let judged: Vec<bool> = lines.iter().map(|line| line["judged"]["loadable"].as_bool().unwrap()).collect();
    assert_eq!(judged, [false, true, true, true]);
    let outcomes: Vec<&str> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["works", "works", "crashed", "failed"]);
    assert_eq!((&lines[2]["stage"], &lines[2]["signal"]), (&json!("create"), &json!(6)), "{}", lines[2]);
}

#[test]
fn settings_and_path_reach_the_plugin() {
    let lab = Lab::new();
    let file = lab.compile("hello.so", "../handlers/hello-c/plugin.c", &[]);
    for verb in ["observe", "load"] {
        let seen = say(verb, &["--settings", "Good day", "--path", "/hello-c?"], &file);
        assert_eq!(seen["message"], "GET /hello-c? 200 Good day", "{verb}");
    }
    let job = json!({"id": 1, "file": file, "settings": "Good night", "path": "/n"});
    assert_eq!(observe_all(&[job], &[])[0]["message"], "GET /n 200 Good night");
}

#[test]
fn crashes_and_hangs_are_observations() {
    let lab = Lab::new();
    let fixture = |name: &str| lab.compile(&format!("{name}.so"), &format!("../fixtures/{name}.c"), &[]);
    let bad = |name: &str, work: &str| {
        let work = format!("WORK={work}");
        lab.compile(&format!("{name}.so"), "tests/it/plugins/init.c", &[&work])
    };
    let good = lab.handler("good.so", "good", "1.0.0", &[]);
    let cases: [Case; 10] = [
        (fixture("abort-in-init"), "crashed", "dlopen", json!(6)),
        (fixture("endless-init"), "hung", "dlopen", json!(null)),
        (bad("segv", "*(volatile int *)1 = 1;"), "crashed", "dlopen", json!(11)),
        (bad("exit", "_exit(0);"), "crashed", "dlopen", json!(null)),
        (bad("sleep", "for (;;) pause();"), "hung", "dlopen", json!(null)),
        (bad("loud", "for (;;) if (write(1, \"loud\", 4) < 0) _exit(1);"), "hung", "dlopen", json!(null)),
        (bad("orphan", "if (fork() == 0) for (;;) pause(); _exit(3);"), "crashed", "dlopen", json!(null)),
        (lab.handler("late.so", "late", "1.0.0", &["WORK=__builtin_trap();"]), "crashed", "call", json!(4)),
        (good.clone(), "works", "call", json!(null)),
        (lab.path("none.so"), "refused", "open", json!(null)),
    ];
    // One after the other, those that hang left out: they would be waited for one after the other, too.
    let quick = |outcome: &str| outcome != "hung";
    check_all(&cases.iter().filter(|case| quick(case.1)).collect::<Vec<_>>(), &["--jobs", "1"]);
    check_all(&cases.iter().collect::<Vec<_>>(), &["--jobs", "4"]);
}

/// A plugin, and the outcome, stage and signal that are expected of it.
type Case = (PathBuf, &'static str, &'static str, Value);

fn check_all(cases: &[&Case], more: &[&str]) {
    let jobs: Vec<Value> = (0..).zip(cases).map(|(id, case)| json!({"id": id, "file": case.0})).collect();
    let lines = observe_all(&jobs, more);
    assert_eq!(lines.len(), cases.len());
    for (line, (file, outcome, stage, signal)) in lines.iter().zip(cases) {
        let found = (line["outcome"].as_str(), line["stage"].as_str(), &line["signal"]);
        assert_eq!(found, (Some(*outcome), Some(*stage), signal), "{}: {line}", file.display());
        assert!(line["millis"].is_u64(), "{line}");
        // What these do wrong lies in their code, where no judge of bytes sees it; `init.c` has no note.
        let is_plugin = file.ends_with("abort-in-init.so") || file.ends_with("endless-init.so");
        assert_eq!(line["judged"]["loadable"], json!(is_plugin || *stage == "call"), "{line}");
    }
}

#[test]
fn no_child_outlives_a_killed_supervisor() {
    let lab = Lab::new();
    let pid_file = lab.path("pid");
    let work = format!(
        r#"WORK=int file = creat("{}", 0600); if (dprintf(file, "%d\n", getpid()) < 0) _exit(1); for (;;) pause();"#,
        pid_file.display()
    );
    let plugin = lab.compile("sleep.so", "tests/it/plugins/init.c", &[&work]);
    let list = lab.path("jobs");
    std::fs::write(&list, json!({"id": 1, "file": plugin}).to_string()).unwrap();
    let mut supervisor = probe()
        .args(["observe-all", "--cpu-seconds", "60", "--wall-seconds", "600"])
        .arg(&list)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let child = wait_for("the child to say who it is", || {
        let text = std::fs::read_to_string(&pid_file).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    });
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    wait_for("the child to end", || {
        // Without an init process that collects it, a dead process stays as a zombie.
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn jobs_may_come_from_a_file_and_ids_come_back_as_they_were() {
    let lab = Lab::new();
    let file = lab.handler("a.so", "a", "1.0.0", &[]);
    let list = lab.path("jobs");
    let job = json!({"id": {"any": ["thing"]}, "file": file, "truncate_after_judging": true});
    std::fs::write(&list, format!("{job}\n\n")).unwrap();
    let out = run(probe().args(["observe-all", "--cpu-seconds", "1", "--wall-seconds", "4"]).arg(&list));
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["id"], &line["outcome"]), (&job["id"], &json!("works")));
}

#[test]
fn bad_command_lines_and_jobs_end_with_status_2_and_one_sentence() {
    let lab = Lab::new();
    let list = lab.path("jobs");
    std::fs::write(&list, "{\"id\": 1}\n").unwrap();
    let list = list.to_str().unwrap();
    let cases = [
        (vec!["dance"], "unknown command `dance`"),
        (
            vec!["observe-all", "--cpu-seconds", "1", "--wall-seconds", "2", list],
            "line 1 of the jobs is not a job",
        ),
        (vec!["load", "--allow-list", "/no/such/list", "x.so"], "cannot use the allow-list /no/such/list"),
    ];
    for (arguments, sentence) in cases {
        let output = probe().args(&arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.starts_with("plugin-probe: ") && stderr.contains(sentence), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}
