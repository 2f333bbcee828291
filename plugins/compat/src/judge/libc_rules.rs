//! Reasons that depend on which C library the host has and how old it is.

use crate::host::{LoadedObject, Resolution};
use crate::{Code, ElfFacts, HostFacts, HostLibc, LibcFamily, LibcVersion, Reason};

/// First releases whose loaders apply DT_RELR.
const GLIBC_WITH_RELR: LibcVersion = LibcVersion { major: 2, minor: 36, patch: 0 };
const MUSL_WITH_RELR: LibcVersion = LibcVersion { major: 1, minor: 2, patch: 4 };
/// First release that opens files in whose place others stand.
const GLIBC_THAT_OPENS_FILTERS: LibcVersion = LibcVersion { major: 2, minor: 32, patch: 0 };
/// First release that no longer looks at the alignment which segments declare.
const GLIBC_WITHOUT_DECLARED_ALIGNMENT: LibcVersion = LibcVersion { major: 2, minor: 35, patch: 0 };
/// The size of pages in bytes: the only one of x86_64, and the smallest of aarch64.
const PAGE: u64 = 4096;
/// First release that heeds which level of processors a file is marked for.
const GLIBC_WITH_PROCESSOR_LEVELS: LibcVersion = LibcVersion { major: 2, minor: 33, patch: 0 };
/// The highest of x86-64's levels that is defined (x86-64 psABI, "Micro-Architecture Levels"); glibc takes no processor to be of a higher one.
const HIGHEST_LEVEL: u8 = 4;
/// First release whose `dlopen` no longer makes the stack executable.
const GLIBC_WITHOUT_EXECUTABLE_STACK: LibcVersion = LibcVersion { major: 2, minor: 41, patch: 0 };

/// Two C libraries in one process do not work, even where every symbol happens to be found.
pub(super) fn family(plugin: &ElfFacts, host: &HostFacts) -> Option<Reason> {
    let (built_for, host_family) = (family_of(plugin)?, host.libc_family()?);
    if built_for == host_family {
        return None;
    }
    let text = format!(
        "the plugin is built for {built_for}, host {} runs on {}; build it for {}-unknown-linux-{}",
        host.name,
        host.libc_name(),
        host.program.machine,
        host_family.target_environment(),
    );
    Some(Reason::new(Code::LibcFamily, text))
}

/// What the file needs decides; a library that needs no C library at all may still say what it was built for.
fn family_of(plugin: &ElfFacts) -> Option<LibcFamily> {
    plugin.libc.or_else(|| {
        let target = &plugin.note.identity()?.target;
        [LibcFamily::Glibc, LibcFamily::Musl]
            .into_iter()
            .find(|family| target.ends_with(family.target_environment()))
    })
}

/// What the loader must be able to do for the plugin and for each library that comes in with it.
pub(super) fn loader_features(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let Some(libc) = &host.libc else { return Vec::new() };
    let of_object = |object: &LoadedObject<'_>| {
        [
            page_layout(object, host, libc),
            not_to_be_opened(object, host, libc),
            processor_level(object, host, libc),
            packed_relocations(object, host, libc),
            executable_stack(object, host, libc),
            indirect_functions(object, host, libc),
        ]
    };
    let of_objects = resolution.local.iter().flat_map(of_object).flatten();
    of_objects.chain(filters(resolution, host, libc)).collect()
}

/// Until bug 16272 was mended, glibc took a filtee for the file that is opened, since it comes first in the order of search, and did not relocate it.
fn filters(resolution: &Resolution<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_old = libc.family == LibcFamily::Glibc
        && libc.version.is_some_and(|version| version < GLIBC_THAT_OPENS_FILTERS);
    let filtee = resolution.local.iter().find(|object| is_old && object.stands_in_for_plugin())?;
    let text = format!(
        "{} stands in for the plugin's own symbols (DT_FILTER, DT_AUXILIARY), host {} has {}, which opens such files from \
         {GLIBC_THAT_OPENS_FILTERS} on and ends the process before; link without --filter and --auxiliary",
        filtee.name,
        host.name,
        host.libc_name(),
    );
    Some(Reason::new(Code::LibcFilters, text))
}

/// glibc maps segments at pages only and says no otherwise (elf/dl-load.c, `_dl_map_object_from_fd`); musl moves them. Where two lie
/// in one page, glibc says no, and what musl maps is no longer code.
fn page_layout(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let pages = object.facts.pages;
    let heeds_declared = libc.version.is_some_and(|version| version < GLIBC_WITHOUT_DECLARED_ALIGNMENT);
    let fits = match libc.family {
        LibcFamily::Glibc if heeds_declared => pages.declared >= PAGE && pages.as_declared,
        LibcFamily::Glibc => pages.mappable >= PAGE,
        LibcFamily::Musl => true,
    };
    (pages.shared || !fits).then(|| {
        let text = format!(
            "{}'s segments do not lie as pages of {PAGE} bytes need it, by which {} of host {} maps them; link it with -z \
             max-page-size={PAGE} or more, and strip it with newer tools or not at all",
            object.name,
            host.libc_name(),
            host.name,
        );
        Reason::new(Code::ElfMalformed, text)
    })
}

/// glibc heeds the mark on what is opened and on all that comes in with it (elf/dl-load.c, `_dl_map_object_from_fd`).
fn not_to_be_opened(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = object.facts.traits.not_to_be_opened && libc.family == LibcFamily::Glibc;
    is_refused.then(|| {
        let text = format!(
            "{} is marked as not to be opened by a running program (DF_1_NOOPEN), which {} of host {} heeds; link \
             without -z nodlopen",
            object.name,
            host.libc_name(),
            host.name,
        );
        Reason::new(Code::ElfNoOpen, text)
    })
}

/// glibc looks at the file and at all that comes in with it before it relocates anything (sysdeps/x86/dl-prop.h, `dl_isa_level_check`); musl never does.
fn processor_level(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let needed = level_above(object.facts, host)?;
    let has = match host.x86_64_level {
        Some(level) if needed <= HIGHEST_LEVEL => format!("runs on one of level x86-64-v{level}"),
        _ => format!("knows levels up to x86-64-v{HIGHEST_LEVEL}"),
    };
    let heeds = libc.version.is_some_and(|version| version >= GLIBC_WITH_PROCESSOR_LEVELS);
    (heeds && libc.family == LibcFamily::Glibc).then(|| {
        let text = format!(
            "{} is marked as made for processors of level x86-64-v{needed}, host {} {has}, and {} heeds that; compile with \
             -march=x86-64",
            object.name,
            host.name,
            host.libc_name(),
        );
        Reason::new(Code::LibcProcessorLevel, text)
    })
}

/// The level of processors that a file is marked for, if the host's is known to be below it.
fn level_above(facts: &ElfFacts, host: &HostFacts) -> Option<u8> {
    let needed = facts.traits.x86_64_level?;
    (needed > host.x86_64_level.unwrap_or(HIGHEST_LEVEL).min(HIGHEST_LEVEL)).then_some(needed)
}

fn packed_relocations(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    if !object.facts.traits.packed_relocations {
        return None;
    }
    let first = match libc.family {
        LibcFamily::Glibc => GLIBC_WITH_RELR,
        LibcFamily::Musl => MUSL_WITH_RELR,
    };
    let problem = if libc.version.is_some_and(|version| version < first) {
        format!("host {} has {}, which reads them from {first} on", host.name, host.libc_name())
    } else if libc.family == LibcFamily::Glibc && needs_libc_without_marker(object.facts) {
        format!("the loader of host {} takes them only with the symbol version GLIBC_ABI_DT_RELR", host.name)
    } else {
        return None;
    };
    let text = format!(
        "{}'s relocations are packed (DT_RELR), {problem}; link with -z nopack-relative-relocs",
        object.name
    );
    Some(Reason::new(Code::LibcPackedRelocations, text))
}

/// glibc refuses packed relocations of files that require versions of its libc but not the one that stands for them
/// (elf/dl-version.c).
fn needs_libc_without_marker(facts: &ElfFacts) -> bool {
    let of_libc =
        || facts.required_versions.iter().filter(|required| required.library.starts_with("libc.so."));
    of_libc().next().is_some() && !of_libc().any(|required| &*required.version == "GLIBC_ABI_DT_RELR")
}

fn executable_stack(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = object.facts.traits.executable_stack
        && !host.program.traits.executable_stack
        && libc.family == LibcFamily::Glibc
        && libc.version.is_some_and(|version| version >= GLIBC_WITHOUT_EXECUTABLE_STACK);
    is_refused.then(|| {
        let text = format!(
            "{} asks for an executable stack, host {} has {}, whose dlopen grants none since \
             {GLIBC_WITHOUT_EXECUTABLE_STACK}; link with -z noexecstack",
            object.name,
            host.name,
            host.libc_name(),
        );
        Reason::new(Code::LibcExecutableStack, text)
    })
}

fn indirect_functions(object: &LoadedObject<'_>, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = object.facts.traits.indirect_functions && libc.family == LibcFamily::Musl;
    is_refused.then(|| {
        let text = format!(
            "{} chooses functions when it is loaded (GNU indirect functions), which {} of host {} cannot \
             bind; compile without ifunc and target_clones attributes",
            object.name,
            host.libc_name(),
            host.name,
        );
        Reason::new(Code::LibcIndirectFunctions, text)
    })
}
