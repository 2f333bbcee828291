//! Reasons that depend on which C library the host has and how old it is.

use crate::{Code, ElfFacts, HostFacts, HostLibc, LibcFamily, LibcVersion, Reason};

/// First releases whose loaders apply DT_RELR.
const GLIBC_WITH_RELR: LibcVersion = LibcVersion { major: 2, minor: 36, patch: 0 };
const MUSL_WITH_RELR: LibcVersion = LibcVersion { major: 1, minor: 2, patch: 4 };
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

/// What the loader must be able to do for the file.
pub(super) fn loader_features(plugin: &ElfFacts, host: &HostFacts) -> Vec<Reason> {
    let Some(libc) = &host.libc else { return Vec::new() };
    [
        packed_relocations(plugin, host, libc),
        executable_stack(plugin, host, libc),
        static_tls(plugin, host, libc),
        indirect_functions(plugin, host, libc),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn packed_relocations(plugin: &ElfFacts, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    if !plugin.traits.packed_relocations {
        return None;
    }
    let first = match libc.family {
        LibcFamily::Glibc => GLIBC_WITH_RELR,
        LibcFamily::Musl => MUSL_WITH_RELR,
    };
    let problem = if libc.version.is_some_and(|version| version < first) {
        format!("host {} has {}, which reads them from {first} on", host.name, host.libc_name())
    } else if libc.family == LibcFamily::Glibc && needs_libc_without_marker(plugin) {
        format!("the loader of host {} takes them only with the symbol version GLIBC_ABI_DT_RELR", host.name)
    } else {
        return None;
    };
    let text = format!(
        "the plugin's relocations are packed (DT_RELR), {problem}; link with -z nopack-relative-relocs"
    );
    Some(Reason::new(Code::LibcPackedRelocations, text))
}

/// glibc refuses packed relocations of files that require versions of its libc but not the one that stands for them
/// (elf/dl-version.c).
fn needs_libc_without_marker(plugin: &ElfFacts) -> bool {
    let of_libc =
        || plugin.required_versions.iter().filter(|required| required.library.starts_with("libc.so."));
    of_libc().next().is_some() && !of_libc().any(|required| &*required.version == "GLIBC_ABI_DT_RELR")
}

fn executable_stack(plugin: &ElfFacts, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = plugin.traits.executable_stack
        && !host.program.traits.executable_stack
        && libc.family == LibcFamily::Glibc
        && libc.version.is_some_and(|version| version >= GLIBC_WITHOUT_EXECUTABLE_STACK);
    is_refused.then(|| {
        let text = format!(
            "the plugin asks for an executable stack, host {} has {}, whose dlopen grants none since \
             {GLIBC_WITHOUT_EXECUTABLE_STACK}; link with -z noexecstack",
            host.name,
            host.libc_name(),
        );
        Reason::new(Code::LibcExecutableStack, text)
    })
}

fn static_tls(plugin: &ElfFacts, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = plugin.traits.initial_exec_tls && libc.family == LibcFamily::Musl;
    is_refused.then(|| {
        let text = format!(
            "the plugin's thread-local variables are of the initial-exec model, for which {} of host {} has no room \
             once the program runs; compile without -ftls-model=initial-exec",
            host.libc_name(),
            host.name,
        );
        Reason::new(Code::LibcStaticTls, text)
    })
}

fn indirect_functions(plugin: &ElfFacts, host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let is_refused = plugin.traits.indirect_functions && libc.family == LibcFamily::Musl;
    is_refused.then(|| {
        let text = format!(
            "the plugin chooses functions when it is loaded (GNU indirect functions), which {} of host {} cannot \
             bind; compile without ifunc and target_clones attributes",
            host.libc_name(),
            host.name,
        );
        Reason::new(Code::LibcIndirectFunctions, text)
    })
}
