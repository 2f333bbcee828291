//! Reasons in the contract: the note, its version, the kind, the entry.

use super::listing::some_of;
use crate::{Code, ContractNote, ElfFacts, HostFacts, PluginIdentity, Policy, Reason};

pub(super) fn reasons(plugin: &ElfFacts, host: &HostFacts, policy: &Policy) -> Vec<Reason> {
    // A file whose notes were not read may well have one.
    if !policy.require_contract || !plugin.is_read_in_depth() || plugin.debug_only {
        return Vec::new();
    }
    match &plugin.note {
        ContractNote::Missing => vec![Reason::new(
            Code::NoteMissing,
            format!(
                "the plugin carries no note of the contract, host {} loads plugins of ABI {}; build it with \
                 plugin-sdk (or the C header) and keep its .note sections",
                host.name, host.abi
            ),
        )],
        ContractNote::Garbled { problem } => vec![Reason::new(
            Code::NoteGarbled,
            format!(
                "host {} cannot read the plugin's note: {problem}; build it with plugin-sdk (or the C header)",
                host.name
            ),
        )],
        ContractNote::Present(identity) => of_identity(identity, plugin, host, policy),
    }
}

fn of_identity(
    identity: &PluginIdentity,
    plugin: &ElfFacts,
    host: &HostFacts,
    policy: &Policy,
) -> Vec<Reason> {
    let (wanted, offered, name) = (identity.abi, host.abi, &host.name);
    let mut reasons = Vec::new();
    let mut refuse = |code, text| reasons.push(Reason::new(code, text));
    if wanted.major != offered.major {
        let text = format!(
            "the plugin is built for ABI {wanted}, host {name} speaks {offered}; build it against ABI {}",
            offered.major
        );
        refuse(Code::AbiMajor, text);
    } else if wanted.minor > offered.minor {
        let text = format!(
            "the plugin is built for ABI {wanted}, host {name} speaks {offered}; renew the host, or build the plugin \
             against ABI {offered}"
        );
        refuse(Code::AbiMinor, text);
    }
    match identity.known_kind() {
        None => {
            let text = format!(
                "the plugin's kind has the number {}, which host {name} does not know; renew the host",
                identity.kind
            );
            refuse(Code::AbiKind, text);
        }
        Some(found) if !policy.wanted_kinds.is_empty() && !policy.wanted_kinds.contains(&found) => {
            let text = format!(
                "the plugin is a {}, host {name} wants a {} here; configure it where its kind belongs",
                found.name(),
                some_of(policy.wanted_kinds.iter().map(|kind| kind.name())),
            );
            refuse(Code::AbiKind, text);
        }
        Some(_) => {}
    }
    if !plugin.exports_symbol(&identity.entry) {
        let text = format!(
            "the plugin's note names {} as its entry but the file does not export it, and host {name} starts there; \
             export it with plugin-sdk's macro and keep it when stripping",
            identity.entry
        );
        refuse(Code::EntryMissing, text);
    }
    if identity.aborts_on_panic() && !policy.allow_abort {
        let text = format!(
            "the plugin is built with panic = \"abort\" ({}), so a panic in it would end host {name}; build it with \
             panic = \"unwind\", or allow that with --allow-abort",
            identity.profile
        );
        refuse(Code::PanicAbort, text);
    }
    reasons
}
