//! What should be known about a plugin that may load all the same.

use crate::{Code, ElfFacts, HostFacts, LibcFamily, PluginIdentity, Policy, Reason};

/// What is among the `reasons` is not remarked, too.
pub(super) fn on(plugin: &ElfFacts, host: &HostFacts, policy: &Policy, reasons: &[Reason]) -> Vec<String> {
    let traits = &plugin.traits;
    let mut remarks = Vec::new();
    if let Some(tail) = &plugin.missing_tail {
        remarks.push(format!(
            "{} ends at byte {}, the file at byte {}: all that is loaded is there, but the file was cut short; copy it \
             again",
            tail.part, tail.needs, tail.has
        ));
    }
    if traits.text_relocations {
        remarks.push(
            "relocations write into code, which hardened systems refuse (SELinux: execmod); compile with -fPIC".to_owned(),
        );
    }
    if traits.static_tls && host.libc_family() == Some(LibcFamily::Glibc) {
        remarks.push(
            "thread-local variables are of the initial-exec model, for which glibc keeps little room once the program \
             runs; compile without -ftls-model=initial-exec"
                .to_owned(),
        );
    }
    let is_reason = reasons.iter().any(|reason| reason.code == Code::LibcProcessorLevel);
    if let Some(level) = traits.x86_64_level.filter(|level| *level > 1 && !is_reason) {
        remarks
            .push(format!("the code needs a processor of level x86-64-v{level}; compile with -march=x86-64"));
    }
    if policy.allow_abort && plugin.note.identity().is_some_and(PluginIdentity::aborts_on_panic) {
        remarks.push("a panic in it ends this process; build it with panic = \"unwind\"".to_owned());
    }
    remarks
}
