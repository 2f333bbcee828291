//! `ld.so.cache`: the libraries that `ldconfig` found, which glibc consults before its built-in folders.

use super::libc_version::find;
use crate::Machine;

/// Format: glibc `sysdeps/generic/dl-cache.h`. Older releases put a table of another format in front.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Magic, entry count, then words not needed here.
const HEADER: usize = 48;
/// Flags, offset of the name, offset of the path, an unused word, processor level (two words).
const ENTRY: usize = 24;

/// The path the cache gives for a library, ignoring entries for special processor levels: the plain one that
/// stands beside them defines the same symbols.
pub(super) fn look_up<'a>(cache: &'a [u8], machine: Machine, library: &str) -> Option<&'a str> {
    let flags = match machine {
        Machine::X86_64 => 0x303,
        Machine::Aarch64 => 0xa03,
        _ => return None,
    };
    let table = cache.get(find(cache, MAGIC)?..)?;
    let word = |at: usize| Some(u32::from_le_bytes(table.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let string = |at: u32| {
        let tail = table.get(at as usize..)?;
        let length = tail.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&tail[..length]).ok()
    };
    let count = word(MAGIC.len())? as usize;
    (0..count).map(|index| HEADER + index * ENTRY).take_while(|at| at + ENTRY <= table.len()).find_map(|at| {
        let is_wanted = word(at) == Some(flags)
            && word(at + 16) == Some(0)
            && word(at + 20) == Some(0)
            && string(word(at + 4)?) == Some(library);
        if is_wanted { string(word(at + 8)?) } else { None }
    })
}
