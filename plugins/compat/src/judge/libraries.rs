//! Reasons about needed libraries that do not come in.

use super::listing::{limited, shown};
use crate::host::{Resolution, Resolved, Unresolved};
use crate::{Code, HostFacts, Reason};

pub(super) fn reasons(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    limited(resolution.unresolved.iter().map(|unresolved| reason(unresolved, host)))
}

fn reason(unresolved: &Unresolved<'_>, host: &HostFacts) -> Reason {
    let Unresolved { needed_by, library, why } = unresolved;
    let (name, needed_by, library) = (&host.name, shown(needed_by), shown(library));
    match why {
        Resolved::Unread { key } => Reason::new(
            Code::LibraryUnread,
            format!(
                "{needed_by} needs {library}, the facts of host {name} do not say where {} leads; read them for \
                 this plugin (HostReader::learn)",
                shown(key),
            ),
        ),
        Resolved::Unusable { path, problem } => Reason::new(
            Code::LibraryMissing,
            format!(
                "{needed_by} needs {library}, host {name} has {path} for it, which cannot be loaded: {problem}; \
                 install the library there, or link it statically"
            ),
        ),
        Resolved::Missing { skips_defaults: true } => Reason::new(
            Code::LibraryMissing,
            format!(
                "{needed_by} needs {library} and is marked as not to have it searched in the default folders of host {name} \
                 (DF_1_NODEFLIB); link without -z nodefaultlib, or with a run path to it"
            ),
        ),
        Resolved::Missing { .. } | Resolved::Found { .. } => Reason::new(
            Code::LibraryMissing,
            format!(
                "{needed_by} needs {library}, host {name} has no such file in {}; install the library there, or \
                 link it statically",
                searched(&library, host)
            ),
        ),
    }
}

fn searched(library: &str, host: &HostFacts) -> String {
    if library.contains('/') { "its root file system".to_owned() } else { host.search_path.join(", ") }
}
