//! What the machine says of itself.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::process;

/// The processor's own name, or its architecture where it has none.
pub(crate) fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    named.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The cores that this process may run on.
pub(crate) fn cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("cannot tell the cores")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// The kernel's release.
pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// How clock frequencies are chosen, as the first core says.
pub(crate) fn governor() -> String {
    fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        .map_or_else(|_| "not told (a virtual machine, mostly)".to_owned(), |text| text.trim().to_owned())
}

/// Memory, in bytes.
pub(crate) fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    // `c_ulong` is 32 bits wide elsewhere.
    #[allow(clippy::useless_conversion)]
    u64::from(system.totalram).saturating_mul(system.mem_unit.into())
}

/// The load average over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// The commit of `repository`, shortened, with `+` behind it if files differ from it.
pub(crate) fn revision(repository: &Path) -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new("git");
        let output = process::run(command.arg("-C").arg(repository).args(arguments))?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])
        .context("a run records the revision; run it in a clone with git installed")?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit}+") })
}

/// Today, UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    date(seconds / 86_400)
}

/// The day that lies so many days after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

/// Cores for servers and for what loads them: what is asked for, else one half each. A single core serves both.
///
/// # Errors
/// A core that this process may not run on.
pub(crate) fn share(
    cores: &[usize],
    servers: &[usize],
    generator: &[usize],
) -> Result<(Vec<usize>, Vec<usize>)> {
    for core in servers.iter().chain(generator) {
        ensure!(cores.contains(core), "there is no core {core} to run on; there are {cores:?}");
    }
    let (first, second) = match cores.len() {
        1 => (cores, cores),
        count => cores.split_at(count / 2),
    };
    let or = |given: &[usize], half: &[usize]| if given.is_empty() { half } else { given }.to_vec();
    Ok((or(servers, first), or(generator, second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_484, "2026-01-31"),
            (20_818, "2026-12-31"),
        ];
        for (days, day) in cases {
            assert_eq!(date(days), day);
        }
    }

    #[test]
    fn cores_are_shared_out() {
        let share = |cores: &[usize], servers: &[usize], generator: &[usize]| {
            share(cores, servers, generator).unwrap()
        };
        assert_eq!(share(&[0, 1], &[], &[]), (vec![0], vec![1]));
        assert_eq!(share(&[2, 3, 4], &[], &[]), (vec![2], vec![3, 4]));
        assert_eq!(share(&[5], &[], &[]), (vec![5], vec![5]));
        assert_eq!(share(&[0, 1, 2, 3], &[1, 2], &[]), (vec![1, 2], vec![2, 3]));
        let error = super::share(&[0, 1], &[7], &[]).unwrap_err().to_string();
        assert!(error.contains("no core 7"), "{error}");
    }

    #[test]
    fn this_machine_says_something() {
        assert!(!cpu().is_empty() && !kernel().is_empty() && memory_bytes() > 1 << 20);
        assert!(!cores().unwrap().is_empty() && today().len() == 10);
        assert!(!governor().is_empty() && load() >= 0.0);
    }
}
