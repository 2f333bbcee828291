//! What is told to an operator who asks for what cannot be, and what they can see of what is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::lab::{Program, plugin, plugin_that_aborts, program, refusal};

#[test]
fn a_factory_that_is_not_there_is_named_with_those_that_are() {
    let unknown = ["--cache-plugin-factory-name", "Factory2"];
    let error = refusal(&[&[plugin("moody-cache").as_str()], &unknown[..]].concat());
    assert!(
        error.contains("libmoody_cache.so cannot be used (create.factory): has no factory `Factory2`"),
        "{error}"
    );
    assert!(error.contains("it has keeps, late, silent, fails, garbles, panics, stays"), "{error}");
    let error = refusal(&[&[plugin("memory-cache").as_str()], &unknown[..]].concat());
    assert!(error.contains("it has Factory"), "{error}");
}

#[test]
fn a_plugin_that_is_no_cache_is_named_with_its_kind() {
    let error = refusal(&[&plugin("ip-handler")]);
    assert!(error.contains("refused (abi.kind)") && error.contains("libip_handler.so"), "{error}");
    assert!(error.contains("the plugin is a handler, host fib-demo wants a cache here"), "{error}");
}

#[test]
fn files_that_cannot_be_used_are_refused_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let flag = |name: &str| format!("--cache-plugin-path={}", file(name).display());
    let error = refusal(&[&flag("absent.so")]);
    assert!(error.contains("refused (file.unreadable)") && error.contains("absent.so"), "{error}");
    fs::write(file("text.so"), "no plugin").unwrap();
    assert!(refusal(&[&flag("text.so")]).contains("text.so cannot be loaded here"));

    let memory = plugin("memory-cache");
    fs::copy(memory.split_once('=').unwrap().1, file("open.so")).unwrap();
    fs::set_permissions(file("open.so"), Permissions::from_mode(0o666)).unwrap();
    let error = refusal(&[&flag("open.so")]);
    assert!(error.contains("open.so") && error.contains("file."), "{error}");
}

#[test]
fn a_plugin_whose_panics_end_the_program_is_taken_only_if_that_is_allowed() {
    let plugin = plugin_that_aborts("memory-cache");
    let error = refusal(&[&plugin]);
    assert!(error.contains("refused (panic.abort)") && error.contains("--allow-abort"), "{error}");
    let mut program = Program::start(&[&plugin, "--allow-abort"]);
    program.wait_for_log("a panic in it ends this process");
    assert_eq!(program.get("/fib/20").status, 200);
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let memory = plugin("memory-cache");
    let error = refusal(&[&memory, "--cache-plugin-settings", r#"{"entries": 1}"#]);
    assert!(error.contains("entries: 1; write 16 to"), "{error}");
    for (flag, value) in [("--cache-expiration", "0s"), ("--compute-timeout", "long"), ("--port", "70000")] {
        let error = refusal(&[flag, value]);
        assert!(error.contains(flag) && error.contains(value), "{error}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = Program::start(&[]);
    let error = refusal(&["--port", &first.address.port().to_string()]);
    assert!(error.contains(&format!("cannot listen on {}", first.address)), "{error}");
}

#[test]
fn the_environment_counts_and_flags_win_over_it() {
    let mut command = program(&["--log-level", "debug", "--cache-expiration", "7s"]);
    command.env("FIB_CACHE_EXPIRATION", "3s").env("FIB_COMPUTE_TIMEOUT", "9s").env("FIB_ACCESS_LOG", "off");
    command.env("FIB_CACHE_PLUGIN_SETTINGS", "open sesame");
    let mut program = Program::run(&mut command);
    let line = program.wait_for_log("msg=configuration");
    assert!(line.contains("cache_expiration=7s") && line.contains("compute_timeout=9s"), "{line}");
    assert!(line.contains("access_log=false") && line.contains("settings=\"(not shown)\""), "{line}");
    assert!(!program.stop().contains("sesame"));
}

#[test]
fn health_status_and_metrics_are_shown_to_operators() {
    let program = Program::start(&[&plugin("memory-cache"), "--compute-threads", "3"]);
    program.get("/fib/20");
    program.get("/fib/20");
    assert_eq!(program.admin("/healthz").status, 200);
    let status: serde_json::Value = serde_json::from_str(&program.admin("/status").body).unwrap();
    assert_eq!(status["cache"]["plugin"]["name"], "memory");
    assert_eq!([&status["cache"]["hits"], &status["cache"]["misses"], &status["cache"]["stored"]], [1, 1, 1]);
    assert_eq!(status["compute"]["threads"], 3);
    assert_eq!([&status["compute"]["computed"], &status["compute"]["running"]], [1, 0]);
    assert_eq!(status["http"]["responses"][1], 2);
    assert_eq!(program.metric(r#"cache_healthy{plugin="memory",version="0.1.0"}"#), 1);
    assert_eq!(program.metric("computation_duration_seconds_count"), 1);
    assert_eq!(program.admin("/nowhere").status, 404);
}
