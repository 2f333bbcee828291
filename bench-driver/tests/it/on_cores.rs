//! The program that another becomes.

use std::process::{Command, Output};

fn driver(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench-driver")).args(words).output().unwrap()
}

#[test]
fn a_program_is_kept_to_the_cores_that_are_named() {
    let allowed = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    };
    // The last one of `0-3,7`.
    let allowed = list(&allowed);
    let core = allowed.rsplit([',', '-']).next().unwrap();
    let output = driver(&["on", core, "/bin/cat", "/proc/self/status"]);
    assert_eq!(list(&String::from_utf8_lossy(&output.stdout)), core);
}

#[test]
fn what_cannot_be_is_said() {
    let cases: [(&[&str], &str); 5] = [
        (&["on", "0,x", "/bin/true"], "\"0,x\" are no cores"),
        (&["on", "99999", "/bin/true"], "there is no core 99999"),
        (&["on", "0", "/no/valgrind"], "cannot run /no/valgrind: No such file"),
        (&["on", "0", "/no/valgrind"], "`cargo xtask images build bench-tools redis`"),
        (&["off"], "bench-driver on CORES PROGRAM"),
    ];
    for (words, complaint) in cases {
        let output = driver(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(complaint), "{words:?}: {said}");
    }
}
