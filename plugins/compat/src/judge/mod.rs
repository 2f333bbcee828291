//! The judgement: facts of a plugin and facts of a host in, a verdict out.

mod contract;
mod format;
mod libc_rules;
mod libraries;
mod listing;
mod musl_names;
mod remarks;
mod static_tls;
mod symbols;
mod unreadable;
mod unversioned;

use crate::host::is_c_library_to_musl;
use crate::{Code, ElfError, ElfFacts, HostFacts, Layer, LibcFamily, Policy, Reason, Verdict};
use listing::limited;

/// Says whether a plugin loads in a host, with every reason why not.
///
/// Reasons that would follow from a more fundamental one are left out: what a library for another processor lacks is
/// no news. The libraries the plugin needs must have been read into the facts
/// ([`HostReader::learn`](crate::HostReader::learn)); where they were not, `library.unread` says so.
pub fn judge(plugin: &ElfFacts, host: &HostFacts, policy: &Policy) -> Verdict {
    judge_opened(plugin, None, host, policy)
}

/// The same for a file that is opened by its path inside the host's root, and not from memory: then `$ORIGIN` in its run path
/// leads somewhere. The libraries that it needs must have been read by
/// [`HostReader::learn_at`](crate::HostReader::learn_at) with that path.
pub fn judge_at(plugin: &ElfFacts, path: &str, host: &HostFacts, policy: &Policy) -> Verdict {
    judge_opened(plugin, Some(path), host, policy)
}

fn judge_opened(plugin: &ElfFacts, path: Option<&str>, host: &HostFacts, policy: &Policy) -> Verdict {
    // Nothing of the file is loaded then, and nothing of it matters.
    let musl_uses_itself = host.libc_family() == Some(LibcFamily::Musl) && is_c_library_to_musl(plugin);
    let mut reasons = if musl_uses_itself { Vec::new() } else { format::reasons(plugin, host) };
    let host_is_static = host.program.linkage.is_static();
    let stops_the_loader = |reason: &Reason| reason.code.layer() == Layer::Loader;
    let is_comparable = !reasons.iter().any(stops_the_loader) && !host_is_static && !musl_uses_itself;
    if host_is_static {
        let text = format!(
            "the program of {} is linked statically and has no loader; build it as a dynamic executable (for musl: \
             -C target-feature=-crt-static)",
            host.name
        );
        reasons.push(Reason::new(Code::HostStatic, text));
    }
    reasons.extend(libc_rules::family(plugin, host));
    if is_comparable {
        let resolution = crate::host::load(host, Some((plugin, path)));
        reasons.extend(libc_rules::loader_features(&resolution, host));
        reasons.extend(static_tls::reasons(&resolution, host));
        let of_libraries = libraries::reasons(&resolution, host);
        let missing_versions = symbols::missing_versions(&resolution, host);
        // Without a library nobody knows which symbols it would have brought.
        if of_libraries.is_empty() {
            reasons.extend(symbols::undefined(&resolution, host, &missing_versions));
            reasons.extend(symbols::hidden(&resolution, host));
            reasons.extend(unversioned::reasons(&resolution, host));
        }
        reasons.extend(limited(missing_versions.iter().map(|missing| missing.reason(host))));
        reasons.extend(of_libraries);
    }
    reasons.extend(contract::reasons(plugin, host, policy));
    Verdict { remarks: remarks::on(plugin, host, policy, &reasons), ..Verdict::of(reasons) }
}

/// The same for the bytes of any file, ELF or not. Pure and total: fit for a fuzzer.
pub fn judge_bytes(bytes: &[u8], host: &HostFacts, policy: &Policy) -> Verdict {
    match ElfFacts::parse(bytes) {
        Ok(plugin) => judge(&plugin, host, policy),
        Err(error) => judge_unreadable(&error),
    }
}

/// The verdict on a file that gives no facts.
pub fn judge_unreadable(error: &ElfError) -> Verdict {
    Verdict::of(vec![unreadable::reason(error)])
}
