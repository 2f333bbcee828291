//! Entries of RPATH and RUNPATH with their placeholders filled in.

use super::HostFacts;
use crate::{LibcFamily, Machine};

/// An absolute folder from an entry of the run path of the object at `path`; none if it leads nowhere, as a relative entry does
/// where nobody knows the working directory. Placeholders: ld.so(8), "Dynamic string tokens".
pub(super) fn expand(entry: &str, path: Option<&str>, host: &HostFacts) -> Option<String> {
    let is_musl = host.libc_family() == Some(LibcFamily::Musl);
    if is_musl && entry.is_empty() {
        return None;
    }
    let mut expanded = String::new();
    let mut rest = entry;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let (token, after) = token(&rest[at + 1..]);
        match token {
            "ORIGIN" => expanded.push_str(path?.rsplit_once('/')?.0),
            "LIB" => expanded.push_str(&library_folder(host)),
            "PLATFORM" => expanded.push_str(&platform(host.program.machine)?),
            _ => expanded.push('$'),
        }
        rest = if matches!(token, "ORIGIN" | "LIB" | "PLATFORM") { after } else { &rest[at + 1..] };
    }
    expanded.push_str(rest);
    if !expanded.starts_with('/') {
        expanded = format!("{}/{expanded}", host.working_directory.as_deref()?.trim_end_matches('/'));
    }
    Some(expanded.trim_end_matches('/').to_owned())
}

/// Whether musl heeds a run path: it knows `$ORIGIN` only, and drops a list with any other placeholder (ldso/dynlink.c,
/// `fixup_rpath`).
pub(super) fn musl_heeds(folders: &[String]) -> bool {
    folders.iter().all(|folder| {
        folder.split('$').skip(1).all(|rest| rest.starts_with("ORIGIN") || rest.starts_with("{ORIGIN}"))
    })
}

/// The name behind a dollar sign, in braces or not, and what follows it.
fn token(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').unwrap_or(("", text));
    }
    let end = text.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// What `$LIB` stands for: Debian's loaders have their multiarch folder there, others `lib64`.
fn library_folder(host: &HostFacts) -> String {
    let multiarch = format!("lib/{}-linux-gnu", host.program.machine);
    let is_multiarch = host.search_path.iter().any(|folder| folder.ends_with(&multiarch));
    if is_multiarch { multiarch } else { "lib64".to_owned() }
}

/// What `$PLATFORM` stands for. On x86_64 newer processors have other names, for which nobody installs libraries any more.
fn platform(machine: Machine) -> Option<String> {
    matches!(machine, Machine::X86_64 | Machine::Aarch64).then(|| machine.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{AbiVersion, ElfFacts, HostLibc};

    /// A host that has read nothing.
    pub(in crate::host) fn host(family: LibcFamily) -> HostFacts {
        HostFacts {
            name: "host".to_owned(),
            program: ElfFacts::of_program(Machine::X86_64, "/lib64/ld-linux-x86-64.so.2", &["libc.so.6"]),
            program_path: None,
            working_directory: None,
            x86_64_level: None,
            libc: Some(HostLibc { family, version: None, path: "/libc".to_owned() }),
            abi: AbiVersion::CURRENT,
            search_path: vec!["/lib/x86_64-linux-gnu".to_owned()],
            lookups: BTreeMap::new(),
            libraries: BTreeMap::new(),
        }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let glibc = host(LibcFamily::Glibc);
        let cases = [
            ("/opt/own/", Some("/opt/own")),
            ("$ORIGIN", Some("/opt/a")),
            ("${ORIGIN}/../lib", Some("/opt/a/../lib")),
            ("$ORIGINAL", None),
            ("/usr/$LIB/$PLATFORM", Some("/usr/lib/x86_64-linux-gnu/x86_64")),
            ("/a$b", Some("/a$b")),
            ("/a${b", Some("/a${b")),
            ("lib", None),
            ("", None),
        ];
        for (entry, expected) in cases {
            assert_eq!(expand(entry, Some("/opt/a/b.so"), &glibc).as_deref(), expected, "{entry}");
        }
        assert_eq!(expand("$ORIGIN", None, &glibc), None);
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        assert!(musl_heeds(&list(&["/opt", "$ORIGIN/a", "${ORIGIN}"])));
        assert!(!musl_heeds(&list(&["$ORIGIN", "/usr/$LIB"])));
        for (family, of_empty) in [(LibcFamily::Glibc, Some("/run")), (LibcFamily::Musl, None)] {
            let host = HostFacts { working_directory: Some("/run".to_owned()), ..host(family) };
            assert_eq!(expand("lib", None, &host).as_deref(), Some("/run/lib"));
            assert_eq!(expand("", None, &host).as_deref(), of_empty);
        }
        assert_eq!(expand("$ORIGIN", Some("/a/b.so"), &host(LibcFamily::Musl)).as_deref(), Some("/a"));
    }
}
