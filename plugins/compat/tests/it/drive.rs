//! Puts one file through everything that reads and judges, and sees to it that what comes out is in order and that it took no more than its
//! share. Used by the property tests and by the fuzz target.

use plugin_compat::{
    Code, ElfFacts, FileKind, HostFacts, HostLibrary, LibcFamily, Policy, Verdict, judge, judge_at,
    judge_unreadable,
};

/// What reading or judging may hold at one time: so many bytes for each byte of the file, and so many besides.
const MOST_FOR_A_BYTE: u64 = 32;
const MOST_BESIDES: u64 = 1 << 20;
/// The longest reason, in bytes.
const LONGEST_REASON: usize = 16 * 1024;

/// Where the file itself is put in the first host, so that it is judged as a needed library, too.
const AS_LIBRARY: &str = "/lib/itself.so";

/// Hosts of every kind of rule, made of one that was read.
pub(crate) fn hosts(read: &HostFacts) -> Vec<HostFacts> {
    let with_libc = |family, version: &str| {
        let mut host = read.clone();
        host.name = format!("{family}-{version}");
        let libc = host.libc.as_mut().expect("a dynamic program");
        (libc.family, libc.version) = (family, Some(version.parse().expect("a version")));
        host
    };
    vec![
        with_libc(LibcFamily::Glibc, "2.36"),
        with_libc(LibcFamily::Glibc, "2.31"),
        with_libc(LibcFamily::Glibc, "2.41"),
        with_libc(LibcFamily::Musl, "1.2.3"),
        with_libc(LibcFamily::Musl, "1.2.5"),
    ]
}

/// Reads `bytes` and judges them in all `hosts`, which are as before afterwards.
///
/// # Panics
/// When a verdict is not in order, or when more memory was taken than the file is worth.
pub(crate) fn drive(bytes: &[u8], hosts: &mut [HostFacts]) -> FileKind {
    let facts = match within_bounds(bytes, "read it", || ElfFacts::parse(bytes)) {
        Ok(facts) => facts,
        Err(error) => {
            let verdict = within_bounds(bytes, "refuse it", || judge_unreadable(&error));
            assert!(!verdict.loadable, "{error} is no reason");
            check(&verdict);
            return error.kind();
        }
    };
    for host in &*hosts {
        for policy in [Policy::any_kind(), Policy::loader_only()] {
            check(&within_bounds(bytes, "judge it", || judge(&facts, host, &policy)));
        }
    }
    let Some(host) = hosts.first_mut() else { return facts.kind() };
    let asked: Vec<String> = facts
        .needed
        .iter()
        .take(8)
        .map(|name| name.to_string())
        .filter(|name| !host.lookups.contains_key(name))
        .collect();
    for name in &asked {
        host.lookups.insert(name.clone(), Some(AS_LIBRARY.to_owned()));
    }
    host.libraries.insert(AS_LIBRARY.to_owned(), HostLibrary::Elf(Box::new(facts.clone())));
    let policy = Policy::loader_only();
    check(&within_bounds(bytes, "judge it with itself", || {
        judge_at(&facts, "/opt/own/file.so", host, &policy)
    }));
    host.libraries.remove(AS_LIBRARY);
    for name in &asked {
        host.lookups.remove(name);
    }
    facts.kind()
}

/// Runs `work`, which must not hold more memory at one time than the file is worth.
pub(crate) fn within_bounds<T>(bytes: &[u8], what: &str, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(work())).bytes_max;
    let most = MOST_FOR_A_BYTE * bytes.len() as u64 + MOST_BESIDES;
    assert!(
        taken <= most,
        "to {what}, {taken} bytes were taken for a file of {}, {most} are allowed",
        bytes.len()
    );
    result.expect("it was run")
}

fn check(verdict: &Verdict) {
    assert_eq!(verdict.loadable, verdict.reasons.is_empty());
    assert!(verdict.reasons.is_sorted_by_key(|reason| reason.code), "{:?}", verdict.reasons);
    for reason in &verdict.reasons {
        assert_eq!(reason.code.as_str().parse::<Code>(), Ok(reason.code));
        let length = reason.text.len();
        assert!(length > 0 && length < LONGEST_REASON, "{} takes {length} bytes", reason.code);
        assert!(!reason.text.contains(char::is_control), "{reason:?}");
    }
}
