//! Thread-local variables that must lie in the block which threads already have when a plugin is opened.
//!
//! Code of the initial-exec model reaches a variable at a fixed offset from the thread pointer, so that its module must get a
//! place in static thread-local storage. musl gives none to what is opened (ldso/dynlink.c, `do_relocs`); glibc
//! keeps a surplus for it, first come, first served (elf/dl-reloc.c, `_dl_try_allocate_static_tls`).

use super::symbols::provider;
use crate::host::{LoadedObject, Resolution};
use crate::{Code, HostFacts, HostLibc, LibcFamily, LibcVersion, Reason};

/// First release with a surplus that is computed from tunables (elf/dl-tls.c, `_dl_tls_static_surplus_init`).
const GLIBC_WITH_TUNABLE_SURPLUS: LibcVersion = LibcVersion { major: 2, minor: 33, patch: 0 };

pub(super) fn reasons(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let Some(libc) = &host.libc else { return Vec::new() };
    let modules = modules(resolution, host);
    match libc.family {
        LibcFamily::Musl => modules.iter().map(|module| not_in_musl(module, host)).collect(),
        LibcFamily::Glibc => beyond_surplus(&modules, host, libc).into_iter().collect(),
    }
}

/// The plugin and libraries that come in with it whose thread-local variables are reached in that way, be it by themselves or by
/// others of them.
fn modules<'a, 'b>(resolution: &'b Resolution<'a>, host: &HostFacts) -> Vec<&'b LoadedObject<'a>> {
    let is_reached = |module: &&'b LoadedObject<'a>| {
        let by_others = || {
            let imports = resolution.local.iter().flat_map(|object| &object.facts.imports);
            imports.filter(|import| import.initial_exec).any(|import| {
                provider(import, resolution, host).is_some_and(|provider| std::ptr::eq(provider, *module))
            })
        };
        module.facts.traits.initial_exec_tls || (module.facts.thread_local.is_some() && by_others())
    };
    resolution.local.iter().filter(is_reached).collect()
}

fn not_in_musl(module: &LoadedObject<'_>, host: &HostFacts) -> Reason {
    let text = format!(
        "{}'s thread-local variables are of the initial-exec model, for which {} of host {} has no room once the program \
         runs; compile without -ftls-model=initial-exec",
        module.name,
        host.libc_name(),
        host.name,
    );
    Reason::new(Code::LibcStaticTls, text)
}

fn beyond_surplus(modules: &[&LoadedObject<'_>], host: &HostFacts, libc: &HostLibc) -> Option<Reason> {
    let surplus = surplus(libc.version?);
    let mut used: u64 = 0;
    for module in modules {
        let Some(block) = module.facts.thread_local else { continue };
        used = used.saturating_add(block.size).checked_next_multiple_of(block.alignment).unwrap_or(u64::MAX);
        if used > surplus {
            let text = format!(
                "{}'s thread-local variables are of the initial-exec model and, with those before them, take {used} bytes, \
                 {} of host {} has {surplus} for all that is opened; compile without -ftls-model=initial-exec",
                module.name,
                host.libc_name(),
                host.name,
            );
            return Some(Reason::new(Code::LibcStaticTls, text));
        }
    }
    None
}

/// Bytes of static thread-local storage that are left for what is opened.
fn surplus(version: LibcVersion) -> u64 {
    if version < GLIBC_WITH_TUNABLE_SURPLUS { 1664 } else { 1520 }
}
