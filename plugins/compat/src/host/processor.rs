//! Folders in which glibc has libraries for newer processors beside the plain ones.

use super::HostFacts;
use crate::{LibcFamily, LibcVersion, Machine};

/// First release that searches them (elf/dl-hwcaps.c). Older ones search others, named after processors, for which nobody
/// installs libraries any more.
const GLIBC_WITH_LEVELS: LibcVersion = LibcVersion { major: 2, minor: 33, patch: 0 };

/// Folders below each folder that is searched, before that itself, the best first. Only x86-64 has levels that glibc knows.
pub(super) fn folders(host: &HostFacts) -> Vec<String> {
    let searches = host.program.machine == Machine::X86_64
        && host.libc.as_ref().is_some_and(|libc| {
            libc.family == LibcFamily::Glibc
                && libc.version.is_some_and(|version| version >= GLIBC_WITH_LEVELS)
        });
    let highest = host.x86_64_level.filter(|_| searches).unwrap_or(1).min(4);
    (2..=highest).rev().map(|level| format!("glibc-hwcaps/x86-64-v{level}")).collect()
}

/// The level of the processor that this runs on, as the x86-64 psABI defines them ("Micro-Architecture Levels"); none on others.
#[cfg(target_arch = "x86_64")]
pub(super) fn level_of_this() -> Option<u8> {
    use std::arch::is_x86_feature_detected as has;
    let second = has!("cmpxchg16b") && has!("popcnt") && has!("sse4.2") && has!("ssse3");
    let third = second
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let fourth = third && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    Some(1 + u8::from(second) + u8::from(third) + u8::from(fourth))
}

/// Other processors have no such levels.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn level_of_this() -> Option<u8> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::HostLibc;
    use super::super::run_path::tests::host;
    use super::*;

    #[test]
    fn the_best_level_comes_first_where_glibc_knows_them() {
        let cases: [(LibcFamily, &str, Option<u8>, &[&str]); 5] = [
            (LibcFamily::Glibc, "2.36", Some(3), &["glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v2"]),
            (LibcFamily::Glibc, "2.36", Some(1), &[]),
            (LibcFamily::Glibc, "2.36", None, &[]),
            (LibcFamily::Glibc, "2.31", Some(4), &[]),
            (LibcFamily::Musl, "1.2.5", Some(4), &[]),
        ];
        for (family, version, x86_64_level, expected) in cases {
            let version = Some(version.parse().unwrap());
            let libc = Some(HostLibc { family, version, path: "/libc".to_owned() });
            assert_eq!(folders(&HostFacts { libc, x86_64_level, ..host(family) }), expected);
        }
    }
}
