//! What a program does at the turns of its workers' lives.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use forker::{Exit, Hooks, Master, Spawned, Spawning, Worker};
use rustix::process::{Pid, Signal, kill_process};

use crate::again;
use crate::service::wait_for;

/// Writes down what it is told.
struct Diary(PathBuf);

impl Diary {
    fn note(&self, line: &str) {
        write_down(&self.0, line);
    }
}

fn write_down(path: &Path, line: &str) {
    let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
    // In one call, so that lines of several processes do not mix.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

impl Hooks for Diary {
    fn before_spawn(&mut self, worker: &Spawning, command: &mut Command) {
        self.note(&format!("before {} {}", worker.slot, worker.generation));
        command.env("MOOD", "good");
    }

    fn after_spawn(&mut self, worker: &Spawned) {
        self.note(&format!("after {}", worker.slot));
    }

    fn ready(&mut self, worker: &Spawned) {
        self.note(&format!("ready {}", worker.slot));
    }

    fn exit(&mut self, worker: &Spawned, exit: Exit) {
        self.note(&format!("exit {} {exit}", worker.slot));
    }

    fn reopen_logs(&mut self) {
        self.note("reopen in the master");
    }
}

const DIARY: &str = "FORKER_TEST_DIARY";

#[test]
fn hooks_are_called_in_order_and_logs_are_reopened_everywhere() {
    const NAME: &str = "life::hooks::hooks_are_called_in_order_and_logs_are_reopened_everywhere";
    if again::is_inner() {
        let path = PathBuf::from(std::env::var_os(DIARY).unwrap());
        let master = Master::new("hooks").listen("127.0.0.1:0".parse().unwrap()).workers(1);
        return forker::run(master, Diary(path.clone()), |worker| serve(&worker, path)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("diary");
    let mut command = again::command(NAME);
    command.env(DIARY, &path).stdin(Stdio::null()).stdout(Stdio::null());
    let mut master = command.spawn().unwrap();
    let pid = Pid::from_child(&master);
    let diary = || fs::read_to_string(&path).unwrap_or_default();
    wait_for("it is ready", || diary().contains("ready 0"));
    kill_process(pid, Signal::USR1).unwrap();
    wait_for("both have reopened", || diary().contains("in the master") && diary().contains("in a worker"));
    kill_process(pid, Signal::TERM).unwrap();
    assert!(master.wait().unwrap().success());
    let diary = diary();
    let mut lines: Vec<_> = diary.lines().collect();
    // These two are written by two processes.
    lines.retain(|line| !line.starts_with("reopen"));
    let expected = ["before 0 1", "after 0", "mood good", "ready 0", "exit 0 exit code 0"];
    let mut sorted = lines.clone();
    // The worker may run before its master goes on.
    sorted.sort_by_key(|line| expected.iter().position(|wanted| wanted == line));
    assert_eq!(sorted, expected, "{diary}");
    let place = |wanted: &str| lines.iter().position(|line| *line == wanted).unwrap();
    assert!(place("before 0 1") < place("after 0") && place("after 0") < place("ready 0"));
}

fn serve(worker: &Worker, diary: PathBuf) -> Result<(), String> {
    write_down(&diary, &format!("mood {}", std::env::var("MOOD").unwrap_or_default()));
    worker.on_reopen(move || write_down(&diary, "reopen in a worker"));
    worker.ready();
    worker.stopping().wait();
    Ok(())
}
