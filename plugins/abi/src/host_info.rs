//! Facts about the machine, from which a plugin decides whether and how to run.

use crate::{SizeFirst, Text};

/// Facts about the host. Constant and borrowed for the call that passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostInfo {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Major version of the contract the host implements.
    pub abi_major: u16,
    /// Minor version of the contract the host implements.
    pub abi_minor: u16,
    /// Processor architecture as in target triples: `x86_64`, `aarch64`.
    pub arch: Text,
    /// Family of the C library: `gnu` or `musl`.
    pub libc: Text,
    /// Version of the C library: `2.36`, `1.2.5`.
    pub libc_version: Text,
    /// Release of the running kernel as `uname -r` prints it.
    pub kernel: Text,
    /// Processor features under the names `/proc/cpuinfo` gives them (`flags` on x86_64, `Features` on aarch64).
    pub cpu_features: *const Text,
    /// Number of `cpu_features`.
    pub cpu_feature_count: usize,
    /// Physical memory in bytes, 0 if not known.
    pub memory: u64,
    /// Labels the operator gave this host, such as `rack=a1`; keys are unique.
    pub labels: *const Label,
    /// Number of `labels`.
    pub label_count: usize,
    /// Processors this process may run on, at least 1.
    pub cores: u32,
    /// Zero.
    pub reserved: u32,
}

/// A key and a value. The layout is final.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// What is labelled.
    pub key: Text,
    /// Its value, perhaps empty.
    pub value: Text,
}

// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for HostInfo {
    const MINIMUM_SIZE: usize = 120;
}
