//! Libraries that had symbol versions when a file was linked, and have none where it is loaded.

use super::listing::{some_of, symbols};
use super::symbols::provider;
use crate::host::{LoadedObject, Resolution};
use crate::{Code, HostFacts, LibcFamily, LibcVersion, Reason};

/// The first release that is known to take such a library; 2.36 is the last that is known not to.
const GLIBC_THAT_TAKES_THEM: LibcVersion = LibcVersion { major: 2, minor: 41, patch: 0 };

/// Where a symbol is asked for with its version and found in the very library that the file names for it, and that library has no
/// versions at all, older glibc ends the process by an assertion (elf/dl-lookup.c, `check_match`).
pub(super) fn reasons(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let is_concerned = host.libc.as_ref().is_some_and(|libc| {
        libc.family == LibcFamily::Glibc
            && libc.version.is_some_and(|version| version < GLIBC_THAT_TAKES_THEM)
    });
    if !is_concerned {
        return Vec::new();
    }
    resolution.local.iter().flat_map(|object| of_object(object, resolution, host)).collect()
}

fn of_object(object: &LoadedObject<'_>, resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let of_library = |library: &str, unversioned: &LoadedObject<'_>| {
        let found_there = object.facts.imports.iter().filter(|import| {
            import.library.as_deref() == Some(library)
                && provider(import, resolution, host).is_some_and(|found| std::ptr::eq(found, unversioned))
        });
        let names: Vec<&str> = found_there.map(|import| &*import.name).collect();
        (!names.is_empty()).then(|| {
            let text = format!(
                "{} asks for versions of {library} ({} {}), which has none on host {}, and its {} ends the process over that; \
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
