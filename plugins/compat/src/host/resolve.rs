//! Which libraries come into a process with its program and a plugin, decided from facts alone.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::places::{LONGEST_PATH, Places};
use super::run_path::{expand, musl_heeds};
use super::search::{is_c_library_to_musl, is_musl_itself};
use super::{HostFacts, HostLibrary};
use crate::{ElfFacts, Filtee, LibcFamily};

/// A file in the process after the plugin was loaded.
pub(crate) struct LoadedObject<'a> {
    /// The name it was needed by; `the plugin`, `the program`.
    pub(crate) name: &'a str,
    /// Its path inside the root, links resolved, which for libraries is its key in [`HostFacts::libraries`]; none for a
    /// program or plugin that no path is known of.
    pub(crate) path: Option<&'a str>,
    pub(crate) facts: &'a ElfFacts,
    /// The object whose need brought it in, by its place in the same list; none for the first one of a list.
    loaded_by: Option<usize>,
    /// Whether it stands in for symbols of the object that brought it in.
    is_filtee: bool,
}

impl LoadedObject<'_> {
    /// Whether it stands in for symbols of the plugin itself.
    pub(crate) fn stands_in_for_plugin(&self) -> bool {
        self.is_filtee && self.loaded_by == Some(0)
    }
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
    Missing {
        /// Whether the loader was told not to search its default folders.
        skips_defaults: bool,
    },
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
    /// What must be looked up before this can be complete, for the program's own needs, too.
    pub(crate) unread: Vec<Unread>,
}

/// A needed library of which it is not known yet where it leads.
pub(crate) struct Unread {
    key: String,
    name: String,
    places: Rc<Places>,
}

impl Unread {
    /// What is to be looked up, in this order, up to the first key that leads somewhere.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + '_ {
        let further = self.places.keys(&self.name).skip_while(|key| *key != self.key).skip(1);
        std::iter::once(self.key.clone()).chain(further)
    }
}

impl<'a> Resolution<'a> {
    /// The loaded object a name stands for, as the loader matches names.
    pub(crate) fn named(&self, name: &str, host: &HostFacts) -> Option<&LoadedObject<'a>> {
        self.global.iter().chain(&self.local).find(|object| answers_to(object, name, host))
    }
}

/// Follows the needs of the program and then of the plugin, breadth first, as both loaders do. A plugin whose path is not
/// known is loaded from memory: `$ORIGIN` leads nowhere for it.
pub(crate) fn load<'a>(
    host: &'a HostFacts,
    plugin: Option<(&'a ElfFacts, Option<&'a str>)>,
) -> Resolution<'a> {
    let mut resolution =
        Resolution { global: Vec::new(), local: Vec::new(), unresolved: Vec::new(), unread: Vec::new() };
    let program_path = host.program_path.as_deref();
    let program = LoadedObject {
        name: "the program",
        path: program_path,
        facts: &host.program,
        loaded_by: None,
        is_filtee: false,
    };
    resolution.global = closure(host, program, &[], &mut resolution.unresolved, &mut resolution.unread);
    // A program that runs has what it needs; only what was not looked up matters here.
    resolution.unresolved.clear();
    if let Some((facts, path)) = plugin {
        let plugin = LoadedObject { name: "the plugin", path, facts, loaded_by: None, is_filtee: false };
        let Resolution { global, unresolved, unread, .. } = &mut resolution;
        let local = closure(host, plugin, global, unresolved, unread);
        resolution.local = filtees_first(local);
    }
    resolution
}

fn closure<'a>(
    host: &'a HostFacts,
    first: LoadedObject<'a>,
    loaded: &[LoadedObject<'a>],
    unresolved: &mut Vec<Unresolved<'a>>,
    unread: &mut Vec<Unread>,
) -> Vec<LoadedObject<'a>> {
    let is_musl = host.libc_family() == Some(LibcFamily::Musl);
    let mut objects = vec![first];
    let mut asked = BTreeMap::new();
    let mut next = 0;
    while next < objects.len() {
        let requester = next;
        next += 1;
        let facts = objects[requester].facts;
        let places = Rc::new(places(host, &ancestry(&objects, requester, loaded.first())));
        let needed = facts.needed.iter().map(|name| (&**name, None));
        let filtees: &[Filtee] = if is_musl { &[] } else { &facts.filtees };
        let filtees = filtees.iter().map(|filtee| (&*filtee.library, Some(filtee.required)));
        for (name, filtee) in needed.chain(filtees) {
            let is_loaded = loaded.iter().chain(&objects).any(|object| answers_to(object, name, host));
            if is_loaded || asked.insert(name, ()).is_some() {
                continue;
            }
            match resolve(host, name, objects[requester].path, &places) {
                Resolved::Found { path, facts } => {
                    let same_file = |object: &LoadedObject<'_>| object.path == Some(path);
                    if !loaded.iter().chain(&objects).any(same_file) {
                        objects.push(LoadedObject {
                            name,
                            path: Some(path),
                            facts,
                            loaded_by: Some(requester),
                            is_filtee: filtee.is_some(),
                        });
                    }
                }
                // Loaded where it is there, and not missed otherwise.
                Resolved::Missing { .. } | Resolved::Unusable { .. } if filtee == Some(false) => {}
                why => {
                    if let Resolved::Unread { key } = &why {
                        let (key, name) = (key.clone(), name.to_owned());
                        unread.push(Unread { key, name, places: Rc::clone(&places) });
                    }
                    let needed_by = objects[requester].name;
                    unresolved.push(Unresolved { needed_by, library: name, why });
                }
            }
        }
    }
    objects
}

/// The same objects in the order in which symbols are searched: what stands in for an object comes before it (elf/dl-deps.c).
fn filtees_first(objects: Vec<LoadedObject<'_>>) -> Vec<LoadedObject<'_>> {
    if !objects.iter().any(|object| object.is_filtee) {
        return objects;
    }
    let mut order: Vec<usize> = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        let before = object.loaded_by.filter(|_| object.is_filtee);
        let place = before.and_then(|filter| order.iter().position(|one| *one == filter));
        order.insert(place.unwrap_or(order.len()), at);
    }
    let mut objects: Vec<_> = objects.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| objects[at].take()).collect()
}

/// The object whose need is looked at, the one that brought it in, and so on up to the plugin, and the program that opened it.
fn ancestry<'a, 'b>(
    objects: &'b [LoadedObject<'a>],
    requester: usize,
    program: Option<&'b LoadedObject<'a>>,
) -> Vec<&'b LoadedObject<'a>> {
    let up = std::iter::successors(Some(requester), |at| objects[*at].loaded_by);
    up.map(|at| &objects[at]).chain(program).collect()
}

/// glibc compares the names an object was needed by and its soname, musl only the name it was found under. A plugin is
/// opened by a path, which is no name that anything is needed by, but glibc knows its soname, too.
fn answers_to(object: &LoadedObject<'_>, name: &str, host: &HostFacts) -> bool {
    match host.libc.as_ref() {
        Some(libc) if libc.family == LibcFamily::Musl => {
            object.path.is_some()
                && (object.name == name || (object.path == Some(&*libc.path) && is_musl_itself(name)))
        }
        _ => object.name == name || object.facts.soname.as_deref() == Some(name),
    }
}

/// Where a name leads that the object at `path` needs, for which libraries are searched in `places`.
fn resolve<'a>(host: &'a HostFacts, name: &'a str, path: Option<&str>, places: &Places) -> Resolved<'a> {
    let is_musl = host.libc_family() == Some(LibcFamily::Musl);
    if let Some(libc) = host.libc.as_ref().filter(|_| is_musl && is_musl_itself(name)) {
        return open(host, &libc.path);
    }
    if name.contains('/') {
        // musl takes a dollar sign in a needed name for what it is.
        let path =
            if is_musl && name.starts_with('/') { Some(name.to_owned()) } else { expand(name, path, host) };
        let found = path.filter(|path| path.len() <= LONGEST_PATH).and_then(|path| look_up(host, &path));
        return found.unwrap_or(Resolved::Missing { skips_defaults: false });
    }
    let found = places.keys(name).find_map(|key| look_up(host, &key));
    found.unwrap_or(Resolved::Missing { skips_defaults: places.skips_defaults })
}

/// Where libraries are searched that the first of `ancestry` needs.
fn places(host: &HostFacts, ancestry: &[&LoadedObject<'_>]) -> Places {
    let is_musl = host.libc_family() == Some(LibcFamily::Musl);
    let folders = run_path(ancestry, is_musl);
    let folders = folders.into_iter().filter_map(|(folder, object)| expand(folder, object.path, host));
    let skips_defaults =
        !is_musl && ancestry.first().is_some_and(|object| object.facts.traits.no_default_folders);
    Places::new(folders.collect(), host, skips_defaults)
}

/// Folders that objects themselves name, in the order in which they are searched, each with the object that names it.
///
/// glibc (elf/dl-load.c, `_dl_map_object`): RUNPATH serves the object's own needs only and switches off the RPATH of all who
/// brought it in; RPATH is inherited. musl (ldso/dynlink.c, `load_library`) knows no difference and inherits both. What the
/// environment names is searched between glibc's two, and before everything in musl; a host whose environment is known has it
/// in its search path, so that it comes after both here.
fn run_path<'a, 'b>(
    ancestry: &'b [&'b LoadedObject<'a>],
    is_musl: bool,
) -> Vec<(&'b str, &'b LoadedObject<'a>)> {
    let Some(requester) = ancestry.first() else { return Vec::new() };
    let own_only = !is_musl && !requester.facts.runpath.is_empty();
    let searched = if own_only { &ancestry[..1] } else { ancestry };
    let folders_of = |object: &'b LoadedObject<'a>| -> &'b [String] {
        let takes_runpath = own_only || (is_musl && !object.facts.runpath.is_empty());
        let folders = if takes_runpath { &object.facts.runpath } else { &object.facts.rpath };
        if is_musl && !musl_heeds(folders) { &[] } else { folders }
    };
    let with_object = |object: &&'b LoadedObject<'a>| {
        let object = *object;
        folders_of(object).iter().map(move |folder| (folder.as_str(), object))
    };
    searched.iter().flat_map(with_object).collect()
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
        Some(HostLibrary::Elf(facts)) => match host.libc.as_ref() {
            Some(libc)
                if libc.family == LibcFamily::Musl && libc.path != path && is_c_library_to_musl(facts) =>
            {
                open(host, &libc.path)
            }
            _ => Resolved::Found { path, facts },
        },
    }
}
