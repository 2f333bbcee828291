//! What the README shows does what it says.

use std::fs;
use std::path::Path;

use test_services::Redis;

use crate::lab::{Program, plugin, program};

/// The command lines of the README that start the program, with plugins and a Redis that are here, and any port.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| line.contains("target/release/fib-demo"));
    lines.map(str::to_owned).collect()
}

/// Starts the program as this line of a shell does.
fn run(line: &str, redis: Option<&Redis>) -> Program {
    let (variables, flags) = line.split_once("target/release/fib-demo").unwrap();
    let mut command = program(&[]);
    for variable in variables.split_whitespace() {
        let (name, _) = variable.split_once('=').unwrap();
        command.env(name, format!("unix://{}", redis.unwrap().socket().display()));
    }
    let mut flags = flags.split_whitespace();
    while let Some(flag) = flags.next() {
        let value = flags.next().unwrap();
        match (flag, value) {
            ("--cache-plugin-path", "target/release/libmemory_cache.so") => {
                command.arg(plugin("memory-cache"))
            }
            ("--cache-plugin-path", "target/release/libredis_cache.so") => command.arg(plugin("redis-cache")),
            ("--port", _) => command.args(["--port", "0"]),
            other => panic!("{other:?} in {line}"),
        };
    }
    Program::run(&mut command)
}

#[test]
fn the_commands_work() {
    let commands = commands();
    let [plain, memory, one, other] = commands.as_slice() else { panic!("{commands:#?}") };
    let ask = |program: &Program| assert_eq!(program.get("/fib/40").body, r#"{"result": 102334155}"#);

    ask(&run(plain, None));

    let memory = run(memory, None);
    ask(&memory);
    ask(&memory);
    assert_eq!(memory.metric("cache_hits_total"), 1);

    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let (one, other) = (run(one, Some(&redis)), run(other, Some(&redis)));
    ask(&one);
    one.wait_for_metric("cache_stored_total", |stored| stored == 1);
    ask(&other);
    assert_eq!(other.metric("computations_begun_total"), 0);
}

#[test]
fn all_flags_are_told_of() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = String::from_utf8(program(&["--help"]).output().unwrap().stdout).unwrap();
    let flags =
        help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split([' ', '[']).next());
    let mut count = 0;
    for flag in flags {
        assert!(
            readme.contains(&format!("`--{flag}")) || readme.contains(&format!(", `--{flag}`")),
            "--{flag}"
        );
        count += 1;
    }
    assert!(count > 10, "{help}");
}
