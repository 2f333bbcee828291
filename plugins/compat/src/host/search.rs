//! The folders a loader searches for libraries when nothing else is said.

use super::libc_version::find;
use crate::{ElfFacts, Machine};

/// glibc's built-in folders. Debian's loaders know their multiarch folders and then the plain ones, others the
/// `lib64` pair; which of them it is stands in the loader's own bytes.
pub(super) fn glibc_folders(machine: Machine, loader: &[u8]) -> Vec<String> {
    let multiarch = format!("/lib/{machine}-linux-gnu");
    if find(loader, format!("{multiarch}/\0").as_bytes()).is_some() {
        vec![multiarch.clone(), format!("/usr{multiarch}"), "/lib".to_owned(), "/usr/lib".to_owned()]
    } else {
        vec!["/lib64".to_owned(), "/usr/lib64".to_owned()]
    }
}

/// The file whose folders take the place of musl's built-in ones.
pub(super) fn musl_path_file(machine: Machine) -> String {
    format!("/etc/ld-musl-{machine}.path")
}

/// musl's folders: those of its path file, separated by newlines or colons, else its built-in ones (ldso/dynlink.c).
pub(super) fn musl_folders(path_file: Option<&str>) -> Vec<String> {
    let listed = path_file.unwrap_or("/lib:/usr/local/lib:/usr/lib");
    listed.split([':', '\n']).filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
}

/// Whether musl takes a needed library's name for itself without looking for a file (ldso/dynlink.c,
/// `load_library`): glibc's split libraries are all part of its libc.
pub(super) fn is_musl_itself(name: &str) -> bool {
    const RESERVED: [&str; 7] = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];
    let after_lib = name.strip_prefix("lib");
    after_lib.is_some_and(|rest| RESERVED.iter().any(|reserved| rest.starts_with(reserved)))
        || name.starts_with("ld-musl-")
}

/// Whether musl takes a file, whatever its name and machine, for a C library and uses itself instead (ldso/dynlink.c,
/// `load_library`): those two symbols decide.
pub(crate) fn is_c_library_to_musl(facts: &ElfFacts) -> bool {
    facts.exports_symbol("__libc_start_main") && facts.exports_symbol("stdin")
}

/// The name under which glibc's C library is needed.
pub(super) const GLIBC: &str = "libc.so.6";
