//! Libraries that had symbol versions when a file was linked, and have none where it is loaded.

use super::listing::{some_of, symbols};
use super::symbols::provider;
use crate::host::{LoadedObject, Resolution};
use crate::{Code, HostFacts, LibcFamily, LibcVersion, Reason};

/// The last release that was seen to end the process, and the first that was seen to take such a library. Nobody looked at those between: they are
/// taken for such that end it, as a refusal costs less than a process.
const GLIBC_THAT_ASSERTS: LibcVersion = LibcVersion { major: 2, minor: 36, patch: 0 };
const GLIBC_THAT_TAKES_THEM: LibcVersion = LibcVersion { major: 2, minor: 41, patch: 0 };

/// Where a symbol is asked for with its version and found in the very library that the file names for it, and that library has no
/// versions at all, older glibc ends the process by an assertion (elf/dl-lookup.c, `check_match`).
pub(super) fn reasons(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let libc = host.libc.as_ref().filter(|libc| libc.family == LibcFamily::Glibc);
    let Some(ends) = libc.and_then(|libc| libc.version).and_then(end_of_process) else { return Vec::new() };
    resolution.local.iter().flat_map(|object| of_object(object, ends, resolution, host)).collect()
}

/// What this release does about it, in words; none if it takes the library.
fn end_of_process(version: LibcVersion) -> Option<&'static str> {
    if version >= GLIBC_THAT_TAKES_THEM {
        None
    } else if version.major == GLIBC_THAT_ASSERTS.major && version.minor <= GLIBC_THAT_ASSERTS.minor {
        Some("ends the process over that")
    } else {
        Some("may end the process over that (2.36 does, 2.41 does not)")
    }
}

fn of_object(
    object: &LoadedObject<'_>,
    ends: &str,
    resolution: &Resolution<'_>,
    host: &HostFacts,
) -> Vec<Reason> {
    let of_library = |library: &str, unversioned: &LoadedObject<'_>| {
        let found_there = object.facts.imports.iter().filter(|import| {
            import.library.as_deref() == Some(library)
                && provider(import, resolution, host).is_some_and(|found| std::ptr::eq(found, unversioned))
        });
        let names: Vec<&str> = found_there.map(|import| &*import.name).collect();
        (!names.is_empty()).then(|| {
            let text = format!(
                "{} asks for versions of {library} ({} {}), which has none on host {}, and its {} {ends}; \
                 install the library that it was linked with",
                object.name,
                symbols(names.len()),
                some_of(names.iter().copied()),
                host.name,
                host.libc_name(),
            );
            Reason::new(Code::LibraryUnversioned, text)
        })
    };
    let mut libraries: Vec<&str> =
        object.facts.required_versions.iter().map(|required| &*required.library).collect();
    libraries.dedup();
    let unversioned = libraries.into_iter().filter_map(|library| {
        let found = resolution.named(library, host).filter(|found| !found.facts.versioned)?;
        of_library(library, found)
    });
    unversioned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_nobody_looked_at_are_not_trusted() {
        let word = |version: &str| end_of_process(version.parse().unwrap()).map(|words| &words[..8]);
        for (version, expected) in [
            ("2.31", Some("ends the")),
            ("2.36.9", Some("ends the")),
            ("2.37", Some("may end ")),
            ("2.40", Some("may end ")),
            ("2.41", None),
        ] {
            assert_eq!(word(version), expected, "{version}");
        }
    }
}
