//! What a process and all its descendants have used, from proc(5).

use std::fs;
use std::io;

/// CPU and memory of a tree of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and kernel time of all its threads, also those that have ended, and of children that ended and were waited for. In steps of a
    /// clock tick, usually 10 ms.
    pub(crate) cpu_seconds: f64,
    /// The same of the threads that live, in nanoseconds; 0 where the kernel does not tell (`CONFIG_SCHED_INFO`).
    pub(crate) cpu_nanoseconds_of_living: u64,
    /// `VmHWM` of each living process, added up.
    pub(crate) peak_rss_bytes: u64,
    /// Living processes.
    pub(crate) processes: usize,
}

impl Usage {
    /// CPU time since `before`: to the nanosecond where the same threads lived all the time, else to the tick.
    pub(crate) fn cpu_seconds_since(&self, before: &Usage) -> f64 {
        let coarse = self.cpu_seconds - before.cpu_seconds;
        let fine =
            self.cpu_nanoseconds_of_living.saturating_sub(before.cpu_nanoseconds_of_living) as f64 / 1e9;
        // Each process may be a tick off at either end. Where more is missing, threads have come to their end in between.
        let off = 2.0 * self.processes.max(before.processes) as f64 / ticks_per_second();
        if (fine - coarse).abs() <= off { fine } else { coarse }
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// What the process `root` and its descendants have used so far.
///
/// # Errors
/// `/proc` cannot be read. A process that ends meanwhile is one that has ended.
pub(crate) fn of_tree(root: u32) -> io::Result<Usage> {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(text) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let stat =
            Stat::parse(&text).ok_or_else(|| io::Error::other(format!("/proc/{id}/stat is {text:?}")))?;
        stats.push((id, stat));
    }
    let mut usage = Usage::default();
    for id in tree(root, &stats) {
        if let Some((_, stat)) = stats.iter().find(|(known, _)| *known == id) {
            usage.cpu_seconds += stat.ticks as f64 / ticks_per_second();
            usage.processes += 1;
        }
        usage.cpu_nanoseconds_of_living += nanoseconds_of_threads(id);
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        usage.peak_rss_bytes += peak_rss_bytes(&status).unwrap_or(0);
    }
    Ok(usage)
}

/// The fields of `/proc/PID/stat` that are of interest.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own, and those of children that it has waited for.
    ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Stat> {
        // The name before may hold blanks and parentheses. Behind it come state (field 3), parent (4), …, utime (14) to cstime (17).
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = (14..=17).map(number).sum::<Option<u64>>()?;
        Some(Stat { parent: u32::try_from(number(4)?).ok()?, ticks })
    }
}

/// `root` and all whose parents lead to it.
fn tree(root: u32, stats: &[(u32, Stat)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(id, _)| *id));
        at += 1;
    }
    found
}

/// The first field of each thread's `schedstat`: time on a CPU.
fn nanoseconds_of_threads(id: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return 0 };
    let of_thread = |folder: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(folder.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    threads.flatten().filter_map(|thread| of_thread(thread.path())).sum()
}

fn peak_rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_wild_name_is_read() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 1 0 100 1000 200";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, ticks: 50 }));
        assert_eq!(Stat::parse("42 (a) S 7"), None);
    }

    #[test]
    fn a_tree_has_grandchildren_and_no_strangers() {
        let stat = |parent| Stat { parent, ticks: 0 };
        let stats = [(1, stat(0)), (9, stat(5)), (5, stat(1)), (6, stat(1)), (7, stat(5)), (8, stat(7))];
        assert_eq!(tree(5, &stats), [5, 9, 7, 8]);
    }

    #[test]
    fn the_finer_clock_is_believed_where_it_can_be_right() {
        let usage = |cpu_seconds: f64, cpu_nanoseconds_of_living: u64| Usage {
            cpu_seconds,
            cpu_nanoseconds_of_living,
            peak_rss_bytes: 0,
            processes: 1,
        };
        let before = usage(1.0, 990_000_000);
        assert_eq!(usage(1.51, 1_493_000_000).cpu_seconds_since(&before), 0.503);
        // A thread has ended and taken its time with it.
        assert_eq!(usage(1.5, 1_190_000_000).cpu_seconds_since(&before), 0.5);
        assert_eq!(usage(1.5, 0).cpu_seconds_since(&before), 0.5);
    }

    #[test]
    fn this_process_has_used_something() {
        let before = of_tree(std::process::id()).unwrap();
        assert!(before.peak_rss_bytes > 100_000 && before.processes >= 1, "{before:?}");
        let started = std::time::Instant::now();
        let mut sum = 0_u64;
        while of_tree(std::process::id()).unwrap().cpu_seconds_since(&before) < 0.02 {
            sum = (0..100_000).fold(sum, |sum, one| sum.wrapping_mul(31) + one);
            assert!(started.elapsed().as_secs() < 60, "{sum}");
        }
    }
}
