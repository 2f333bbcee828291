//! Thread-local variables that must lie in the block which threads already have when a plugin is opened.
//!
//! Code of the initial-exec model reaches a variable at a fixed offset from the thread pointer, so that its module must get a
//! place in static thread-local storage. musl gives none to what is opened (ldso/dynlink.c, `do_relocs`); glibc
//! keeps a surplus for it, first come, first served (elf/dl-reloc.c, `_dl_try_allocate_static_tls`).

use super::symbols::provider;
use crate::host::{LoadedObject, Resolution};
use crate::{Code, HostFacts, HostLibc, LibcFamily, LibcVersion, Machine, Reason, ThreadLocalBlock};

/// What glibc keeps for what is opened later, unless it is tuned otherwise (TLS_STATIC_SURPLUS, since 2.33 the sum that
/// `_dl_tls_static_surplus_init` makes of its tunables).
const SURPLUS: u64 = 1664;
/// First release that has each thread's rseq area in static thread-local storage, and the room that it takes.
const GLIBC_WITH_RSEQ_IN_TLS: LibcVersion = LibcVersion { major: 2, minor: 41, patch: 0 };
const RSEQ_SIZE: u64 = 32;

pub(super) fn reasons(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let Some(libc) = &host.libc else { return Vec::new() };
    let modules = modules(resolution, host);
    match libc.family {
        LibcFamily::Musl => modules.iter().map(|module| not_in_musl(module, host)).collect(),
        LibcFamily::Glibc => beyond_surplus(&modules, resolution, host, libc).into_iter().collect(),
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

fn beyond_surplus(
    modules: &[&LoadedObject<'_>],
    resolution: &Resolution<'_>,
    host: &HostFacts,
    libc: &HostLibc,
) -> Option<Reason> {
    let at_start = resolution.global.iter().filter_map(|object| object.facts.thread_local);
    let mut room = Room::after_start(at_start, host.program.machine, libc.version?);
    for module in modules {
        let Some(block) = module.facts.thread_local else { continue };
        let left = room.left();
        if !room.take(block) {
            let text = format!(
                "{}'s thread-local variables are of the initial-exec model and take {} bytes, {} of host {} has {left} left \
                 once the program runs; compile without -ftls-model=initial-exec",
                module.name,
                block.size,
                host.libc_name(),
                host.name,
            );
            return Some(Reason::new(Code::LibcStaticTls, text));
        }
    }
    None
}

/// glibc's static thread-local storage, as the program's start leaves it. All in bytes.
struct Room {
    used: u64,
    total: u64,
    /// Whether blocks lie below the thread pointer, the first one nearest to it (TLS_TCB_AT_TP), as on x86_64.
    downwards: bool,
}

impl Room {
    /// Follows `_dl_determine_tlsoffset` (elf/dl-tls.c), but for the gaps between blocks, into which that puts small ones.
    fn after_start(
        blocks: impl Iterator<Item = ThreadLocalBlock>,
        machine: Machine,
        version: LibcVersion,
    ) -> Self {
        let downwards = machine == Machine::X86_64;
        // Where the thread pointer is below the blocks, two words of the loader's own come first.
        let mut used: u64 = if downwards { 0 } else { 16 };
        for block in blocks {
            used = if downwards {
                round_up(used.saturating_add(block.size), block.alignment)
            } else {
                round_up(used, block.alignment).saturating_add(block.size)
            };
        }
        if version >= GLIBC_WITH_RSEQ_IN_TLS {
            used = round_up(used.saturating_add(RSEQ_SIZE), RSEQ_SIZE);
        }
        let total = round_up(used.saturating_add(SURPLUS), if downwards { 64 } else { 16 });
        Self { used, total, downwards }
    }

    fn left(&self) -> u64 {
        self.total - self.used
    }

    /// Gives a block its place, if there is one.
    fn take(&mut self, block: ThreadLocalBlock) -> bool {
        let alignment = block.alignment.max(1);
        let used = if self.downwards {
            let Some(spare) = self.left().checked_sub(block.size) else { return false };
            self.total - spare / alignment * alignment
        } else {
            round_up(self.used, alignment).saturating_add(block.size)
        };
        if used > self.total {
            return false;
        }
        self.used = used;
        true
    }
}

fn round_up(value: u64, multiple: u64) -> u64 {
    value.checked_next_multiple_of(multiple.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library's own block, and the largest block of alignment 32 that the loader of that release took, in steps of four bytes.
    #[test]
    fn what_real_loaders_took_fits_and_no_more() {
        let cases = [
            (Machine::X86_64, "2.31", (0x90, 8), 1712),
            (Machine::X86_64, "2.36", (0x90, 8), 1712),
            (Machine::X86_64, "2.41", (0x88, 8), 1664),
            (Machine::Aarch64, "2.31", (0x90, 8), 1664),
            (Machine::Aarch64, "2.36", (0x90, 16), 1664),
            (Machine::Aarch64, "2.41", (0x98, 16), 1664),
        ];
        for (machine, version, (size, alignment), largest) in cases {
            let version = version.parse().unwrap();
            let takes = |wanted| {
                let own = ThreadLocalBlock { size, alignment };
                let mut room = Room::after_start([own].into_iter(), machine, version);
                room.take(ThreadLocalBlock { size: wanted, alignment: 32 })
            };
            assert_eq!((takes(largest), takes(largest + 4)), (true, false), "{machine} {version}");
        }
    }

    #[test]
    fn blocks_share_the_room_and_absurd_ones_do_no_harm() {
        let block = |size, alignment| ThreadLocalBlock { size, alignment };
        let version = "2.36".parse().unwrap();
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let mut room = Room::after_start([block(64, 64)].into_iter(), machine, version);
            assert!(room.take(block(1000, 16)) && !room.take(block(1000, 16)) && room.take(block(500, 16)));
            assert!(!room.take(block(u64::MAX, 1)));
            let full = Room::after_start([block(u64::MAX, u64::MAX)].into_iter(), machine, version);
            assert_eq!(full.left(), 0);
        }
    }
}
