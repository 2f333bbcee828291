//! Reasons in the file's header and linkage: with one of these nothing further can be compared.

use crate::{Code, ElfFacts, FileKind, HostFacts, LibcFamily, ObjectType, Reason};

const SYSTEM_V: u8 = 0;
const GNU: u8 = 3;

pub(super) fn reasons(plugin: &ElfFacts, host: &HostFacts) -> Vec<Reason> {
    let (program, name, cure) = (&host.program, &host.name, target(host));
    let mut reasons = Vec::new();
    let mut refuse = |code, text| reasons.push(Reason::new(code, text));
    if plugin.class != program.class {
        let text = format!(
            "the plugin is {} ({}), host {name} is {} ({}); build it for {cure}",
            plugin.class, plugin.machine, program.class, program.machine,
        );
        refuse(Code::ElfClass, text);
    }
    if plugin.endianness != program.endianness {
        let (found, wanted) = (plugin.endianness, program.endianness);
        refuse(
            Code::ElfEndianness,
            format!("the plugin is {found}, host {name} is {wanted}; build it for {cure}"),
        );
    }
    if plugin.machine != program.machine {
        let (found, wanted) = (plugin.machine, program.machine);
        refuse(
            Code::ElfMachine,
            format!("the plugin is for {found}, host {name} runs on {wanted}; build it for {cure}"),
        );
    }
    if host.libc_family() == Some(LibcFamily::Glibc) {
        if !matches!((plugin.os_abi, plugin.abi_version), (SYSTEM_V, 0) | (GNU, _)) {
            let text = format!(
                "the plugin is marked for operating system ABI {} version {}, the loader of host {name} takes \
                 {SYSTEM_V} (System V) and {GNU} (GNU); build it for {cure}",
                plugin.os_abi, plugin.abi_version,
            );
            refuse(Code::ElfOsAbi, text);
        }
        if let Some(flaw) = &plugin.header_flaw {
            let text = format!(
                "the plugin's ELF header is damaged: {flaw}, which the loader of host {name} checks; build it again \
                 or copy it again"
            );
            refuse(Code::ElfMalformed, text);
        }
    }
    reasons.extend(not_a_library(plugin, host));
    reasons
}

/// What speaks against a file since it is no library.
fn not_a_library(plugin: &ElfFacts, host: &HostFacts) -> Option<Reason> {
    let kind = plugin.kind();
    let code = match kind {
        FileKind::SharedLibrary => return None,
        FileKind::DebugOnly => Code::ElfDebugOnly,
        FileKind::NoDynamicTable => Code::ElfStatic,
        _ if is_opened_although_a_program(plugin, host) => {
            let text = format!(
                "the plugin is {kind}, which {} of host {} takes for a shared library, but nothing in it is meant to be \
                 called; build a cdylib (or cc -shared)",
                host.libc_name(),
                host.name,
            );
            return Some(Reason::new(Code::ElfProgram, text));
        }
        _ => Code::ElfType,
    };
    let cure = match kind {
        FileKind::Relocatable => "link it (cc -shared)",
        FileKind::Core => "take the library itself, which is no part of it",
        FileKind::DebugOnly => "take the file that it was split from",
        _ => "build a cdylib (or cc -shared)",
    };
    let found = match plugin.object_type {
        ObjectType::Other(_) => plugin.object_type.to_string(),
        _ => kind.to_string(),
    };
    Some(Reason::new(code, format!("the plugin is {found}, hosts load shared libraries; {cure}")))
}

/// glibc refuses what is marked as a program (DF_1_PIE, since 2.30) or has a fixed address, and an interpreter alone does not make a
/// program for it (elf/dl-load.c, `_dl_map_object_from_fd`). musl asks for a dynamic table and for nothing else, and finds a fixed address free
/// where the host's own program does not lie at one (ldso/dynlink.c, `map_library`).
fn is_opened_although_a_program(plugin: &ElfFacts, host: &HostFacts) -> bool {
    let Some(family) = host.libc_family().filter(|_| plugin.is_read_in_depth()) else { return false };
    let is_musl = family == LibcFamily::Musl;
    match plugin.kind() {
        FileKind::Pie | FileKind::StaticPie => is_musl || !plugin.traits.marked_as_program,
        FileKind::Executable => is_musl && host.program.object_type == ObjectType::Shared,
        _ => false,
    }
}

/// The target triple to build for, so that the host takes it.
fn target(host: &HostFacts) -> String {
    let environment = host.libc_family().map_or("gnu", LibcFamily::target_environment);
    format!("{}-unknown-linux-{environment}", host.program.machine)
}
