//! What a server should do with each file of its plugin root: pure, from what `lab.toml` expects of the files one by one, and from
//! how they get in each other's way.

use std::collections::{BTreeMap, BTreeSet};

use plugin_compat::Code;

use crate::lab::{Expectation, Prediction};

/// What becomes of a file that is used.
pub(crate) const LOADED: &str = "loaded";

/// The server's code for a version of a plugin that another file provides already.
const DUPLICATE: &str = "plugin.duplicate";

/// A file of a plugin root.
#[derive(Debug, Clone)]
pub(crate) struct RootFile {
    /// `handlers` or `middlewares`.
    pub(crate) folder: &'static str,
    /// Its name there.
    pub(crate) name: String,
    /// Whether it is of the kind that belongs into the folder.
    pub(crate) belongs: bool,
    /// Name and version of the plugin, where it tells them.
    pub(crate) plugin: Option<(String, String)>,
    /// What `lab.toml` expects of it in the host.
    pub(crate) expected: Expectation,
}

/// How the server should word what it does with each of `files`, by their names: `loaded`, or the code, of which one that ends in
/// a dot stands for all that begin with it.
pub(crate) fn fates(files: &[RootFile]) -> BTreeMap<String, String> {
    let mut in_order: Vec<&RootFile> = files.iter().collect();
    in_order.sort_by_key(|file| (file.folder, &file.name));
    let mut provided = BTreeSet::new();
    let mut fates = BTreeMap::new();
    for file in in_order {
        let mut fate = alone(file);
        // The server knows what a plugin is called once it is loaded, and asks for no instance of what it has already.
        if let (LOADED | "create.", Some(plugin)) = (fate.as_str(), &file.plugin) {
            if provided.contains(&(file.folder, plugin)) {
                fate = DUPLICATE.to_owned();
            } else if fate == LOADED {
                provided.insert((file.folder, plugin));
            }
        }
        fates.insert(file.name.clone(), fate);
    }
    fates
}

/// Whether the server did, in its words, what was expected.
pub(crate) fn fits(fate: &str, did: &str) -> bool {
    did == fate || (fate.ends_with('.') && did.starts_with(fate))
}

/// What becomes of a file that nothing else is in the way of.
fn alone(file: &RootFile) -> String {
    let word = file.expected.by_a_server();
    let more_fundamental = match &file.expected.predicted {
        Prediction::Refused(code) => code.parse::<Code>().is_ok_and(|code| code < Code::AbiKind),
        Prediction::Works => false,
    };
    if file.belongs || more_fundamental { word.to_owned() } else { Code::AbiKind.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Outcome;

    fn file(name: &str, plugin: &str, expected: Expectation) -> RootFile {
        let plugin = plugin.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        RootFile { folder: "handlers", name: name.to_owned(), belongs: true, plugin, expected }
    }

    fn does(alone: Outcome) -> Expectation {
        Expectation { alone, ..Expectation::works() }
    }

    #[test]
    fn a_file_has_the_fate_that_is_expected_of_it() {
        let truncated = Expectation { alone: Outcome::Crashed, ..Expectation::refused("elf.truncated") };
        let cases = [
            (Expectation::works(), "loaded", "abi.kind"),
            (truncated, "elf.truncated", "elf.truncated"),
            (Expectation::refused("libc.family"), "libc.family", "libc.family"),
            (Expectation::refused("abi.minor"), "abi.minor", "abi.minor"),
            (Expectation::refused("entry.missing"), "entry.missing", "abi.kind"),
            (does(Outcome::Crashed), "trial.crashed", "abi.kind"),
            (does(Outcome::Hung), "trial.hung", "abi.kind"),
            (does(Outcome::Declined), "accept.declined", "abi.kind"),
            (does(Outcome::Failed), "create.", "abi.kind"),
        ];
        for (expected, at_home, elsewhere) in cases {
            let at_its_place = file("a.so", "a 1.0.0", expected);
            let misplaced = RootFile { belongs: false, ..at_its_place.clone() };
            assert_eq!(fates(std::slice::from_ref(&at_its_place))["a.so"], at_home, "{at_its_place:?}");
            assert_eq!(fates(&[misplaced])["a.so"], elsewhere, "misplaced: {at_its_place:?}");
        }
    }

    #[test]
    fn of_files_with_the_same_version_the_first_by_name_is_used() {
        let works = Expectation::works;
        let foreign = || Expectation::refused("elf.machine");
        let in_middlewares = |file| RootFile { folder: "middlewares", ..file };
        let cases: [(&[RootFile], &[&str]); 5] = [
            (
                &[
                    file("b", "ip 0.1.0", works()),
                    file("a", "ip 0.1.0", works()),
                    file("c", "ip 0.1.0", works()),
                ],
                &["loaded", "plugin.duplicate", "plugin.duplicate"],
            ),
            (&[file("a", "ip 0.1.0", works()), file("b", "ip 0.2.0", works())], &["loaded", "loaded"]),
            (&[file("a", "ip 0.1.0", foreign()), file("b", "ip 0.1.0", works())], &["elf.machine", "loaded"]),
            (
                &[
                    file("a", "ip 0.1.0", does(Outcome::Failed)),
                    file("b", "ip 0.1.0", works()),
                    file("c", "ip 0.1.0", does(Outcome::Failed)),
                    file("d", "ip 0.1.0", does(Outcome::Crashed)),
                ],
                &["create.", "loaded", "plugin.duplicate", "trial.crashed"],
            ),
            (
                &[file("a", "ip 0.1.0", works()), in_middlewares(file("b", "ip 0.1.0", works()))],
                &["loaded", "loaded"],
            ),
        ];
        for (files, expected) in cases {
            assert_eq!(fates(files).values().collect::<Vec<_>>(), expected, "{files:?}");
        }
    }

    #[test]
    fn a_fate_is_a_code_or_its_beginning() {
        let cases = [
            ("loaded", "loaded", true),
            ("loaded", "abi.kind", false),
            ("create.", "create.panicked", true),
            ("create.", "trial.hung", false),
            ("abi.major", "abi.minor", false),
            ("abi.kind", "", false),
        ];
        for (fate, did, expected) in cases {
            assert_eq!(fits(fate, did), expected, "{fate} {did}");
        }
    }
}
