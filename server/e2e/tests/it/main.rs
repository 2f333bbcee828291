//! The program from the outside: real servers with good and bad plugins, and what it says of them.

mod lab;

use crate::lab::{
    Lab, answer, command, command_of, dyn_server, e2e, observe, observe_beside, observe_server,
};

/// Seconds for servers that should come through: far more than a busy machine needs.
const PATIENT: u32 = 60;

#[test]
fn a_server_that_answers_through_the_plugin_works() {
    let lab = Lab::new();
    let seen = observe(PATIENT, &[lab.ip()]);
    assert_eq!((seen["outcome"].as_str(), seen["stage"].as_str()), (Some("works"), Some("stop")), "{seen}");
    assert_eq!(seen["message"], r#"{"ip": "127.0.0.1"}"#);
    assert!(seen["code"].is_null() && seen["signal"].is_null(), "{seen}");
}

#[test]
fn bad_plugins_beside_the_good_one_are_told_and_keep_nobody_from_being_served() {
    let lab = Lab::new();
    let beside =
        [lab.truncated_ip(), lab.fixture("abi-major-2"), lab.fixture("abort-in-init"), lab.handler(&[])];
    let names = beside.each_ref().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned());
    let seen = observe_beside(PATIENT, &[lab.ip()], &beside);
    assert_eq!(seen["outcome"], "works", "{seen}");
    let did: Vec<_> = names.iter().map(|name| seen["beside"][name].as_str().unwrap()).collect();
    assert_eq!(did, ["elf.truncated", "abi.major", "trial.crashed", "loaded"], "{seen}");
}

#[test]
fn what_takes_a_route_of_another_is_told_as_such_and_a_configuration_can_make_room() {
    let lab = Lab::new();
    let (first, second) = (lab.handler(&[]), lab.handler(&[r#"NAME="second""#, r#"ANSWER="two""#]));
    let observe = |extra: &[&str]| {
        let mut command = command(PATIENT, &[lab.ip()]);
        for (name, file) in [("a.so", &first), ("b.so", &second)] {
            command.arg("--beside").arg(format!("handlers/{name}={}", file.display()));
        }
        answer(command.args(extra))
    };
    let seen = observe(&[]);
    assert_eq!((seen["outcome"].as_str(), seen["beside"]["a.so"].as_str()), (Some("works"), Some("loaded")));
    assert_eq!(seen["beside"]["b.so"], "route.taken", "{seen}");

    let room = "[handlers.second]\nmount = \"/second\"";
    let seen = observe(&["--config", room, "--ask", "/second=two", "--header", "x-unused: 1"]);
    assert_eq!((seen["outcome"].as_str(), seen["beside"]["b.so"].as_str()), (Some("works"), Some("loaded")));

    let seen = observe(&["--config", room, "--ask", "/second=three"]);
    assert_eq!((seen["outcome"].as_str(), seen["stage"].as_str()), (Some("failed"), Some("request")));
    assert_eq!(seen["message"], r#"GET /second: "two" does not contain "three""#);
}

#[test]
fn whatever_goes_wrong_is_told_with_its_stage() {
    struct Case {
        plugin: std::path::PathBuf,
        patience: u32,
        outcome: &'static str,
        stage: &'static str,
        says: &'static str,
    }
    let lab = Lab::new();
    let answers = |extra: &[&str]| {
        let ip = [r#"ROUTE="/ip""#, r#"ANSWER="{\"ip\": \"127.0.0.1\"}""#];
        lab.handler(&[&ip[..], extra].concat())
    };
    let json = "response->add_header(response->context, dynlab_text(\"content-type\"), dynlab_bytes(\"application/json\", 16));";
    let deaf =
        format!("WORK={json} extern void (*signal(int, void (*)(int)))(int); signal(15, (void (*)(int))1);");
    let cases = [
        Case {
            plugin: lab.truncated_ip(),
            patience: PATIENT,
            outcome: "refused",
            stage: "load",
            says: "truncated",
        },
        Case {
            plugin: lab.handler(&["ACCEPT=(void)host; return DYNLAB_STATUS_DECLINED;"]),
            patience: PATIENT,
            outcome: "declined",
            stage: "load",
            says: "",
        },
        Case {
            plugin: lab.fixture("abort-in-init"),
            patience: PATIENT,
            outcome: "refused",
            stage: "load",
            says: "crashes when it is loaded",
        },
        Case {
            plugin: lab.handler(&[r#"ROUTE="/elsewhere""#]),
            patience: PATIENT,
            outcome: "failed",
            stage: "request",
            says: "GET /ip: status 404, should be 200",
        },
        Case {
            plugin: answers(&[]),
            patience: PATIENT,
            outcome: "failed",
            stage: "request",
            says: "GET /ip: content-type is \"\", should be \"application/json\"",
        },
        Case {
            plugin: answers(&["WORK=extern void abort(void); abort();"]),
            patience: PATIENT,
            outcome: "crashed",
            stage: "request",
            says: "signal: 6",
        },
        Case {
            plugin: answers(&["WORK=extern unsigned sleep(unsigned); sleep(60);"]),
            patience: 1,
            outcome: "hung",
            stage: "request",
            says: "GET /ip: no answer",
        },
        Case {
            plugin: answers(&[&deaf]),
            patience: 1,
            outcome: "hung",
            stage: "stop",
            says: "it does not end after SIGTERM",
        },
    ];
    for Case { plugin, patience, outcome, stage, says } in cases {
        let seen = observe(patience, &[plugin]);
        check(&seen, outcome, stage, says);
    }
}

#[test]
fn whatever_a_server_does_is_told_before_it_serves() {
    let lab = Lab::new();
    let cases = [
        ("kill -ABRT $$", PATIENT, "crashed", "listen", "signal: 6"),
        (
            "echo level=error msg=no >&2; exit 3",
            PATIENT,
            "failed",
            "listen",
            "exit status: 3: level=error msg=no",
        ),
        ("exec /bin/sleep 60", 1, "hung", "listen", "it does not say that it listens"),
        ("echo msg=listening >&2; exec /bin/sleep 60", 1, "failed", "listen", "on which address"),
        (
            "echo msg=listening address=127.0.0.1:1 >&2; exec /bin/sleep 60",
            1,
            "failed",
            "request",
            "no answer",
        ),
    ];
    for (script, patience, outcome, stage, says) in cases {
        let seen = observe_server(&lab.script(script), patience, &[]);
        check(&seen, outcome, stage, says);
    }
}

#[test]
fn a_server_is_given_its_arguments_and_its_cache_by_path() {
    let lab = Lab::new();
    let server = lab.script(r#"echo "level=error msg=\"$*\"" >&2; exit 3"#);
    let seen = observe_server(&server, PATIENT, &[]);
    check(&seen, "failed", "listen", r#"msg="--port 0""#);
    let mut command = command_of(&server, PATIENT, &[]);
    command.args(["--argument", "--listen", "--argument", "x", "--plugin"]);
    let seen = answer(command.arg(format!("caches/memory.so={}", lab.ip().display())));
    check(&seen, "failed", "listen", r#"msg="--listen x --cache-plugin-path "#);
    assert!(seen["message"].as_str().unwrap().ends_with("/caches/memory.so\""), "{seen}");
}

#[test]
fn what_a_server_does_on_a_signal_is_waited_for_and_it_has_to_answer_after_it() {
    let lab = Lab::new();
    let server = lab.script(&format!(
        "trap 'kill $server; wait $server; exit 0' TERM\n\
         trap 'echo msg=again >&2' HUP\n\
         trap 'kill -KILL $server; echo msg=again >&2' USR1\n\
         setpriv --pdeathsig KILL {} \"$@\" & server=$!\n\
         while :; do wait; done",
        dyn_server().display()
    ));
    let observe = |patience, then: &[&str]| {
        let mut command = command_of(&server, patience, &[lab.ip()]);
        answer(command.args(then.iter().flat_map(|then| ["--then", then])))
    };
    check(&observe(PATIENT, &["HUP=again", "HUP=again"]), "works", "stop", "127.0.0.1");
    let seen = observe(3, &["HUP=again", "HUP=something"]);
    check(&seen, "hung", "signal", "it does not say something after SIGHUP");
    check(&observe(PATIENT, &["USR1=again"]), "failed", "request", "GET /ip: no answer");
}

/// What was seen is this end at this stage, with these words.
fn check(seen: &serde_json::Value, outcome: &str, stage: &str, says: &str) {
    assert_eq!((seen["outcome"].as_str(), seen["stage"].as_str()), (Some(outcome), Some(stage)), "{seen}");
    assert!(seen["message"].as_str().unwrap().contains(says), "{says:?} is not in {seen}");
}

#[test]
fn a_server_that_cannot_start_or_does_not_exist_failed() {
    let seen = observe(PATIENT, &[]);
    check(&seen, "failed", "listen", "--plugin-root");

    let output = e2e().args(["--server", "/no/such/server", "--ask", "/=a"]).output().unwrap();
    assert!(output.status.success());
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((seen["outcome"].as_str(), seen["stage"].as_str()), (Some("failed"), Some("start")), "{seen}");
}

#[test]
fn what_keeps_the_program_itself_from_working_is_no_observation() {
    for flags in
        [&["--dance"][..], &["--server", "s", "--ask", "/=a", "--plugin", "handlers=/no/such/plugin.so"]]
    {
        let output = e2e().args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{flags:?}");
    }
}
