//! The processes of an nginx, seen from outside its image.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use test_services::wait_for;

const PATIENCE: Duration = Duration::from_secs(30);

/// A process that was there when it was looked for.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number out here.
    pub pid: i32,
    /// What it calls itself: `nginx: master process …`, `nginx: worker process`.
    pub title: String,
}

/// The master that sees a file at `path`, and its children.
pub fn processes_of(path: &str) -> Vec<Process> {
    let all: Vec<(Process, i32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((Process { pid, title: title(pid)? }, parent(pid)?)))
        .collect();
    let master = all.iter().find(|(Process { pid, title }, _)| {
        title.starts_with("nginx: master process")
            && fs::exists(format!("/proc/{pid}/root{path}")).unwrap_or(false)
    });
    let Some((master, _)) = master else { return Vec::new() };
    let children = all.iter().filter(|(_, parent)| *parent == master.pid).map(|(process, _)| process.clone());
    std::iter::once(master.clone()).chain(children).collect()
}

impl Process {
    /// How many threads it has; proc(5).
    ///
    /// # Panics
    /// If it has ended.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid)).expect("a process that runs").count()
    }

    /// The files that it has mapped.
    ///
    /// # Panics
    /// If it has ended.
    pub fn maps(&self) -> String {
        fs::read_to_string(format!("/proc/{}/maps", self.pid)).expect("a process that runs")
    }

    /// So many KiB of its memory, by the name that proc_pid_smaps(5) has for them; as in `smaps_rollup`, of all its mappings together.
    ///
    /// # Panics
    /// If it has ended, or there is no such name.
    pub fn memory(&self, name: &str) -> u64 {
        let text =
            fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).expect("a process that runs");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        number.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// What its descriptors lead to.
    ///
    /// # Panics
    /// If it has ended.
    pub fn descriptors(&self) -> Vec<String> {
        fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("a process that runs")
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).expect("the number of a process");
        kill_process(pid, signal).expect("a process that runs");
    }

    /// Stops it, and waits until all its threads have stopped; [`Signal::CONT`] has it go on.
    ///
    /// # Panics
    /// If it has ended.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid);
        wait_for("a process that stops", PATIENCE, || {
            let mut tasks = fs::read_dir(&tasks).expect("a process that runs").flatten();
            tasks.all(|task| stat(&task.path()).is_none_or(|fields| fields[0] == "T")).then_some(())
        });
    }

    /// Whether it is still there.
    pub fn is_there(&self) -> bool {
        title(self.pid).is_some_and(|title| title == self.title)
    }
}

fn title(pid: i32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line);
    Some(line.trim_end_matches('\0').trim_end().replace('\0', " "))
}

fn parent(pid: i32) -> Option<i32> {
    stat(Path::new(&format!("/proc/{pid}")))?.get(1)?.parse().ok()
}

/// The fields behind the name, which is the second and may hold anything: state, parent and so on; proc_pid_stat(5).
fn stat(folder: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}
