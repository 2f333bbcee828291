//! What a plugin is told about the machine and the process it is asked to work in.

use std::collections::BTreeMap;

use plugin_abi::{ABI_MAJOR, ABI_MINOR, HostInfo, Label, SizeFirst, Text};

/// Facts of this host, gathered once; plugins decide by them whether they accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostEnvironment {
    /// `x86_64` or `aarch64`, as in a target triple.
    pub arch: String,
    /// `gnu` or `musl`, as in a target triple.
    pub libc: String,
    /// The version of the C library that runs, such as `2.36` or `1.2.5`; empty if it is not known.
    pub libc_version: String,
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: String,
    /// Processor features that this process may use, by their names in /proc/cpuinfo.
    pub cpu_features: Vec<String>,
    /// Processors this process may run on.
    pub cores: u32,
    /// Memory of the machine in bytes.
    pub memory_bytes: u64,
    /// What the operator says of this host, such as `rack=a1`.
    pub labels: BTreeMap<String, String>,
}

impl HostEnvironment {
    /// Asks the system. The version of the C library is taken from the library itself where that tells,
    /// and is `libc_version` otherwise: musl has no call for it, its file has to be read.
    pub fn gather(labels: BTreeMap<String, String>, libc_version: String) -> Self {
        let system = rustix::system::sysinfo();
        Self {
            arch: std::env::consts::ARCH.to_owned(),
            libc: if cfg!(target_env = "musl") { "musl" } else { "gnu" }.to_owned(),
            libc_version: running_glibc_version().unwrap_or(libc_version),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu_features: cpu_features().into_iter().map(str::to_owned).collect(),
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            memory_bytes: system.totalram.saturating_mul(u64::from(system.mem_unit.max(1))),
            labels,
        }
    }
}

impl HostEnvironment {
    /// Lends the facts in the contract's form for one call.
    pub(crate) fn lend<R>(&self, call: impl FnOnce(&HostInfo) -> R) -> R {
        let cpu_features: Vec<Text> = self.cpu_features.iter().map(|name| Text::new(name)).collect();
        let labels: Vec<Label> = self
            .labels
            .iter()
            .map(|(key, value)| Label { key: Text::new(key), value: Text::new(value) })
            .collect();
        call(&HostInfo {
            size: HostInfo::SIZE,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            arch: Text::new(&self.arch),
            libc: Text::new(&self.libc),
            libc_version: Text::new(&self.libc_version),
            kernel: Text::new(&self.kernel),
            cpu_features: cpu_features.as_ptr(),
            cpu_feature_count: cpu_features.len(),
            memory: self.memory_bytes,
            labels: labels.as_ptr(),
            label_count: labels.len(),
            cores: self.cores,
            reserved: 0,
        })
    }
}

/// See gnu_get_libc_version(3).
#[cfg(target_env = "gnu")]
fn running_glibc_version() -> Option<String> {
    // SAFETY: the function takes nothing and gives a static NUL-terminated string.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    Some(version.to_string_lossy().into_owned())
}

#[cfg(not(target_env = "gnu"))]
fn running_glibc_version() -> Option<String> {
    None
}

/// Each feature a plugin is likely to choose by: rustc's name, which detection takes, and the kernel's
/// name in /proc/cpuinfo, which the contract uses. The file itself is not read: under emulation
/// it shows the processor of the machine around.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    macro_rules! detected {
        ($($rustc:tt $kernel:literal),* $(,)?) => {
            [$((std::arch::is_x86_feature_detected!($rustc), $kernel)),*]
        };
    }
    let features = detected!(
        "sse2" "sse2", "sse3" "pni", "ssse3" "ssse3", "sse4.1" "sse4_1", "sse4.2" "sse4_2",
        "popcnt" "popcnt", "aes" "aes", "pclmulqdq" "pclmulqdq", "sha" "sha_ni", "avx" "avx",
        "avx2" "avx2", "fma" "fma", "f16c" "f16c", "bmi1" "bmi1", "bmi2" "bmi2", "lzcnt" "abm",
        "movbe" "movbe", "adx" "adx", "rdrand" "rdrand", "rdseed" "rdseed", "avx512f" "avx512f",
        "avx512bw" "avx512bw", "avx512vl" "avx512vl",
    );
    features.into_iter().filter_map(|(found, name)| found.then_some(name)).collect()
}

/// See the other processor's.
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    macro_rules! detected {
        ($($rustc:tt $kernel:literal),* $(,)?) => {
            [$((std::arch::is_aarch64_feature_detected!($rustc), $kernel)),*]
        };
    }
    let features = detected!(
        "neon" "asimd", "aes" "aes", "pmull" "pmull", "sha2" "sha2", "sha3" "sha3", "crc" "crc32",
        "lse" "atomics", "lse2" "uscat", "rdm" "asimdrdm", "dotprod" "asimddp", "fp16" "asimdhp",
        "bf16" "bf16", "i8mm" "i8mm", "rcpc" "lrcpc", "jsconv" "jscvt", "sve" "sve", "sve2" "sve2",
    );
    features.into_iter().filter_map(|(found, name)| found.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_those_of_a_machine() {
        let host = HostEnvironment::gather(BTreeMap::new(), "unread".to_owned());
        assert!(host.cores >= 1);
        assert!(host.memory_bytes > 1 << 20);
        assert!(!host.kernel.is_empty());
        assert_eq!(host.libc_version == "unread", host.libc == "musl");
        assert!(!host.cpu_features.is_empty());
    }
}
