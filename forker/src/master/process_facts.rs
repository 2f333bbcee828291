//! What the kernel knows of a process.

use std::fs;

/// Ticks a second in proc_pid_stat(5): USER_HZ, which is 100 on x86_64 and aarch64.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds of CPU, its own and the kernel's for it; `None` if it is gone.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    cpu_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Bytes of memory that are in RAM.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    resident_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Fields 14 and 15; the second, a name in parentheses, may hold anything.
fn cpu_in(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_A_SECOND)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_files_are_read() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 9 10 11";
        assert_eq!(cpu_in(stat), Some(2.0));
        assert_eq!(cpu_in("42 (x) S 1"), None);
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    1524 kB\nThreads:\t1\n"), Some(1524 * 1024));
        assert_eq!(resident_in("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_both() {
        assert!(cpu_seconds(std::process::id()).is_some());
        assert!(resident_bytes(std::process::id()).unwrap() > 4096);
    }
}
