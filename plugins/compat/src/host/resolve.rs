//! Which libraries come into a process with its program and a plugin, decided from facts alone.

use std::collections::BTreeMap;

use super::search::is_musl_itself;
use super::{HostFacts, HostLibrary};
use crate::{ElfFacts, LibcFamily};

/// A file in the process after the plugin was loaded.
pub(crate) struct LoadedObject<'a> {
    /// The name it was needed by; `the plugin`, `the program`.
    pub(crate) name: &'a str,
    /// Its key in [`HostFacts::libraries`]; none for program and plugin.
    pub(crate) path: Option<&'a str>,
    pub(crate) facts: &'a ElfFacts,
}

/// A needed library that does not come in.
pub(crate) struct Unresolved<'a> {
    pub(crate) needed_by: &'a str,
    pub(crate) library: &'a str,
    pub(crate) why: Resolved<'a>,
}

/// What a needed library's name leads to.
pub(crate) enum Resolved<'a> {
    Found {
        path: &'a str,
        facts: &'a ElfFacts,
    },
    Missing,
    Unusable {
        path: &'a str,
        problem: String,
    },
    /// The facts do not say where this key leads.
    Unread {
        key: String,
    },
}

/// The process after the plugin was loaded.
pub(crate) struct Resolution<'a> {
    /// The program and what came with it, in the order symbols are searched.
    pub(crate) global: Vec<LoadedObject<'a>>,
    /// The plugin and what comes with it, in the order symbols are searched.
    pub(crate) local: Vec<LoadedObject<'a>>,
    /// What is missing for the plugin.
    pub(crate) unresolved: Vec<Unresolved<'a>>,
    /// Keys that must be looked up before this can be complete, the program's own included.
    pub(crate) unread: Vec<String>,
}

impl<'a> Resolution<'a> {
    /// The loaded object a name stands for, as the loader matches names.
    pub(crate) fn named(&self, name: &str, host: &HostFacts) -> Option<&LoadedObject<'a>> {
        self.global.iter().chain(&self.local).find(|object| answers_to(object, name, host))
    }
}

/// Follows the needs of the program and then of the plugin, breadth first, as both loaders do.
pub(crate) fn load<'a>(host: &'a HostFacts, plugin: Option<&'a ElfFacts>) -> Resolution<'a> {
    let mut resolution =
        Resolution { global: Vec::new(), local: Vec::new(), unresolved: Vec::new(), unread: Vec::new() };
    let program = LoadedObject { name: "the program", path: None, facts: &host.program };
    resolution.global = closure(host, program, &[], &mut resolution.unresolved);
    // A program that runs has what it needs; only what was not looked up matters here.
    let unread_of_program = std::mem::take(&mut resolution.unresolved);
    if let Some(plugin) = plugin {
        let plugin = LoadedObject { name: "the plugin", path: None, facts: plugin };
        resolution.local = closure(host, plugin, &resolution.global, &mut resolution.unresolved);
    }
    for unresolved in unread_of_program.iter().chain(&resolution.unresolved) {
        if let Resolved::Unread { key } = &unresolved.why {
            resolution.unread.push(key.clone());
        }
    }
    resolution
}

fn closure<'a>(
    host: &'a HostFacts,
    first: LoadedObject<'a>,
    loaded: &[LoadedObject<'a>],
    unresolved: &mut Vec<Unresolved<'a>>,
) -> Vec<LoadedObject<'a>> {
    let mut objects = vec![first];
    let mut asked = BTreeMap::new();
    let mut next = 0;
    while next < objects.len() {
        let (requester, requester_path, facts) =
            (objects[next].name, objects[next].path, objects[next].facts);
        next += 1;
        for name in &facts.needed {
            let is_loaded = loaded.iter().chain(&objects).any(|object| answers_to(object, name, host));
            if is_loaded || asked.insert(&**name, ()).is_some() {
                continue;
            }
            match resolve(host, name, facts, requester_path) {
                Resolved::Found { path, facts } => {
                    let same_file = |object: &LoadedObject<'_>| object.path == Some(path);
                    if !loaded.iter().chain(&objects).any(same_file) {
                        objects.push(LoadedObject { name, path: Some(path), facts });
                    }
                }
                why => unresolved.push(Unresolved { needed_by: requester, library: name, why }),
            }
        }
    }
    objects
}

/// glibc compares the names an object was needed by and its soname, musl only the name it was found under.
fn answers_to(object: &LoadedObject<'_>, name: &str, host: &HostFacts) -> bool {
    let Some(path) = object.path else { return false };
    match host.libc.as_ref() {
        Some(libc) if libc.family == LibcFamily::Musl => {
            object.name == name || (libc.path == path && is_musl_itself(name))
        }
        _ => object.name == name || object.facts.soname.as_deref() == Some(name),
    }
}

fn resolve<'a>(
    host: &'a HostFacts,
    name: &'a str,
    requester: &ElfFacts,
    requester_path: Option<&str>,
) -> Resolved<'a> {
    if let Some(libc) = host.libc.as_ref() {
        if libc.family == LibcFamily::Musl && is_musl_itself(name) {
            return open(host, &libc.path);
        }
    }
    if name.contains('/') {
        return look_up(host, name).unwrap_or(Resolved::Missing);
    }
    let own_folder = requester_path.and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
    let program_folders = host.program.rpath.iter().map(|folder| (folder, None));
    let own_folders = requester.rpath.iter().chain(&requester.runpath).map(|folder| (folder, own_folder));
    for (folder, origin) in own_folders.chain(program_folders) {
        // A plugin is loaded from memory, so $ORIGIN leads nowhere for it.
        let Some(folder) = expand(folder, origin) else { continue };
        if let Some(found) = look_up(host, &format!("{folder}/{name}")) {
            return found;
        }
    }
    look_up(host, name).unwrap_or(Resolved::Missing)
}

fn look_up<'a>(host: &'a HostFacts, key: &str) -> Option<Resolved<'a>> {
    match host.lookups.get(key) {
        None => Some(Resolved::Unread { key: key.to_owned() }),
        Some(None) => None,
        Some(Some(path)) => Some(open(host, path)),
    }
}

fn open<'a>(host: &'a HostFacts, path: &'a str) -> Resolved<'a> {
    match host.libraries.get(path) {
        None => Resolved::Unread { key: path.to_owned() },
        Some(HostLibrary::Unusable(problem)) => Resolved::Unusable { path, problem: problem.clone() },
        Some(HostLibrary::Elf(facts)) if facts.machine != host.program.machine => {
            Resolved::Unusable { path, problem: format!("it is for {}", facts.machine) }
        }
        Some(HostLibrary::Elf(facts)) => Resolved::Found { path, facts },
    }
}

/// An absolute folder from an entry of a run path; none if it leads nowhere.
fn expand(folder: &str, origin: Option<&str>) -> Option<String> {
    let expanded = if folder.contains("$ORIGIN") || folder.contains("${ORIGIN}") {
        folder.replace("${ORIGIN}", origin?).replace("$ORIGIN", origin?)
    } else {
        folder.to_owned()
    };
    expanded.starts_with('/').then(|| expanded.trim_end_matches('/').to_owned())
}
