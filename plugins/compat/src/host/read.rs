//! Reads a host's facts from its root file system: the one module of this crate that touches the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::libc_version::{glibc_version, musl_version};
use super::root::Root;
use super::{HostError, HostFacts, HostLibc, HostLibrary, cache, load, processor, search};
use crate::{AbiVersion, ElfFacts, LibcFamily};

/// Collects [`HostFacts`] from a root file system, reading only the libraries that are asked for.
///
/// ```no_run
/// # use plugin_compat::{ElfFacts, HostReader, Policy, judge};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let program = ElfFacts::parse(&std::fs::read("dist/x86_64-unknown-linux-gnu/server")?)?;
/// let plugin = ElfFacts::parse(&std::fs::read("libip.so")?)?;
/// let mut host = HostReader::open("images/bookworm".as_ref(), "bookworm-x86_64-gnu", program)?;
/// let verdict = judge(&plugin, host.learn(&plugin), &Policy::default());
/// # Ok(())
/// # }
/// ```
pub struct HostReader {
    root: Root,
    /// Folders that go before everything else (LD_LIBRARY_PATH of a running process).
    environment: Vec<String>,
    ld_so_cache: Option<Vec<u8>>,
    facts: HostFacts,
}

impl HostReader {
    /// Reads the loader, C library and needs of `program` from the file system below `root`.
    ///
    /// Links are followed inside the root. The name is the one used in reasons.
    ///
    /// # Errors
    /// See [`HostError`]. A library the program needs but does not find is no error here: it is up to the loader.
    pub fn open(root: &Path, name: &str, program: ElfFacts) -> Result<Self, HostError> {
        Self::with_environment(root, name, program, None, Vec::new())
    }

    /// The same for a program that lies at `program_path` inside the root, links resolved.
    ///
    /// # Errors
    /// As for [`HostReader::open`].
    pub fn open_at(
        root: &Path,
        name: &str,
        program: ElfFacts,
        program_path: &str,
    ) -> Result<Self, HostError> {
        Self::with_environment(root, name, program, Some(program_path.to_owned()), Vec::new())
    }

    /// The same for the program that calls this: reads `/proc/self/exe` and the file system it sees.
    ///
    /// Folders of LD_LIBRARY_PATH are searched first, as glibc and musl do. Costs about a millisecond.
    ///
    /// # Errors
    /// As for [`HostReader::open`], and when `/proc` is not mounted.
    pub fn of_running_process() -> Result<Self, HostError> {
        let path = Path::new("/proc/self/exe");
        let bytes = fs::read(path).map_err(|source| HostError::Read { path: path.to_owned(), source })?;
        let program =
            ElfFacts::parse(&bytes).map_err(|source| HostError::Program { path: path.to_owned(), source })?;
        let executable = fs::read_link(path).unwrap_or_default();
        let name = executable.file_name().map_or("this program".into(), |name| name.to_string_lossy());
        let environment = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let folders = environment.split([':', ';']).filter(|folder| folder.starts_with('/'));
        let program_path = executable.to_str().map(str::to_owned);
        let folders = folders.map(str::to_owned).collect();
        let reader = Self::with_environment(Path::new("/"), &name, program, program_path, folders)?;
        Ok(reader.on_this_processor())
    }

    fn with_environment(
        root: &Path,
        name: &str,
        program: ElfFacts,
        program_path: Option<String>,
        environment: Vec<String>,
    ) -> Result<Self, HostError> {
        let mut reader = Self {
            root: Root::new(root),
            environment,
            ld_so_cache: None,
            facts: HostFacts {
                name: name.to_owned(),
                program,
                program_path,
                working_directory: None,
                x86_64_level: None,
                libc: None,
                abi: AbiVersion::CURRENT,
                search_path: Vec::new(),
                lookups: BTreeMap::new(),
                libraries: BTreeMap::new(),
            },
        };
        reader.read_libc()?;
        reader.read_unread(None);
        Ok(reader)
    }

    /// Says that the program is in `folder`, an absolute path inside the root, when it opens plugins. Without it, relative
    /// folders of run paths lead nowhere.
    pub fn working_in(mut self, folder: &str) -> Self {
        self.facts.working_directory = Some(folder.to_owned());
        self
    }

    /// Says that the program runs on the processor that this runs on. Without it, libraries that glibc has beside the plain ones
    /// for newer processors (`glibc-hwcaps`) are not looked for, and files that are marked for such are only remarked on.
    pub fn on_this_processor(mut self) -> Self {
        self.facts.x86_64_level = processor::level_of_this();
        // Where the program's own needs led to may be elsewhere now.
        let libc = self.facts.libc.as_ref().map(|libc| libc.path.clone());
        self.facts.lookups.retain(|_, found| found.is_some() && *found == libc);
        self.read_unread(None);
        self
    }

    /// Reads what `plugin` needs and was not read before, and gives the facts to judge it by.
    pub fn learn(&mut self, plugin: &ElfFacts) -> &HostFacts {
        self.read_unread(Some((plugin, None)));
        &self.facts
    }

    /// The same for a file that is opened by its path inside the root, which is what `$ORIGIN` in its run path leads by.
    pub fn learn_at(&mut self, plugin: &ElfFacts, path: &str) -> &HostFacts {
        self.read_unread(Some((plugin, Some(path))));
        &self.facts
    }

    /// What was read until now.
    pub fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// What was read until now, without the reader.
    pub fn into_facts(self) -> HostFacts {
        self.facts
    }

    fn read_libc(&mut self) -> Result<(), HostError> {
        let Some(interpreter) = self.facts.program.interpreter.clone() else { return Ok(()) };
        let host = self.facts.name.clone();
        let Some(family) = LibcFamily::of_interpreter(&interpreter) else {
            return Err(HostError::UnknownLoader { host, interpreter });
        };
        let loader = self.root.read(&interpreter).map_err(|_| HostError::NoLoader {
            host: host.clone(),
            interpreter: interpreter.clone(),
            root: self.root.folder().to_owned(),
        })?;
        let machine = self.facts.program.machine;
        self.facts.search_path = self.environment.clone();
        match family {
            LibcFamily::Glibc => {
                self.facts.search_path.extend(search::glibc_folders(machine, &loader));
                self.ld_so_cache = self.root.read("/etc/ld.so.cache").ok();
            }
            LibcFamily::Musl => {
                let file = self.root.read(&search::musl_path_file(machine)).ok();
                let text = file.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                self.facts.search_path.extend(search::musl_folders(text.as_deref()));
            }
        }
        // musl's loader is its C library.
        let wanted = if family == LibcFamily::Musl { &interpreter } else { search::GLIBC };
        let found = self.candidates(wanted).into_iter().find_map(|path| self.read_library(&path));
        let Some((path, bytes)) = found else {
            let root = self.root.folder().to_owned();
            return Err(HostError::NoLibc { host, root, searched: self.facts.search_path.join(", ") });
        };
        let version = match (family, self.facts.libraries.get(&path)) {
            (LibcFamily::Glibc, Some(HostLibrary::Elf(facts))) => glibc_version(&bytes, facts),
            (LibcFamily::Musl, _) => musl_version(&bytes),
            _ => None,
        };
        self.facts.lookups.insert(wanted.to_owned(), Some(path.clone()));
        self.facts.libc = Some(HostLibc { family, version, path });
        Ok(())
    }

    /// Every round may find libraries with needs of their own; each reads all that was unread.
    fn read_unread(&mut self, plugin: Option<(&ElfFacts, Option<&str>)>) {
        loop {
            let known = self.facts.lookups.len();
            for unread in load(&self.facts, plugin).unread {
                for key in unread.keys() {
                    if self.look_up(&key) {
                        break;
                    }
                }
            }
            if self.facts.lookups.len() == known {
                return;
            }
        }
    }

    /// Finds out where a key of [`HostFacts::lookups`] leads and reads the library that is there. Whether there is one.
    fn look_up(&mut self, key: &str) -> bool {
        if let Some(known) = self.facts.lookups.get(key) {
            return known.is_some();
        }
        let found = self.candidates(key).into_iter().find_map(|candidate| self.read_library(&candidate));
        let is_there = found.is_some();
        self.facts.lookups.insert(key.to_owned(), found.map(|(path, _)| path));
        is_there
    }

    fn candidates(&self, key: &str) -> Vec<String> {
        if key.starts_with('/') {
            return vec![key.to_owned()];
        }
        let (name, takes_defaults) = key.strip_prefix(':').map_or((key, true), |name| (name, false));
        let (environment, built_in) = self.facts.search_path.split_at(self.environment.len());
        let is_default = |path: &str| built_in.iter().any(|folder| path.starts_with(&format!("{folder}/")));
        let cached = self
            .ld_so_cache
            .as_deref()
            .and_then(|cache| cache::look_up(cache, self.facts.program.machine, name))
            .filter(|path| takes_defaults || !is_default(path));
        let defaults = if takes_defaults { built_in } else { &[] };
        let newer = processor::folders(&self.facts);
        let in_folder = |folder: &String| -> Vec<String> {
            let of_newer = newer.iter().map(|newer| format!("{folder}/{newer}/{name}"));
            of_newer.chain([format!("{folder}/{name}")]).collect()
        };
        environment
            .iter()
            .flat_map(in_folder)
            .chain(cached.map(str::to_owned))
            .chain(defaults.iter().flat_map(in_folder))
            .collect()
    }

    /// Reads a file as a library, unless it was read before; none if the loader would search on. Gives the file's
    /// path, links resolved, with the bytes that were read.
    fn read_library(&mut self, candidate: &str) -> Option<(String, Vec<u8>)> {
        let path = self.root.resolve(candidate).ok()?;
        if self.facts.libraries.contains_key(&path) {
            return Some((path, Vec::new()));
        }
        let program = &self.facts.program;
        let bytes = self.root.read(&path);
        let library = match bytes.as_deref().map(ElfFacts::parse) {
            Err(error) => HostLibrary::Unusable(error.to_string()),
            Ok(Err(error)) => HostLibrary::Unusable(error.to_string()),
            // glibc's search steps over files of other machines and classes.
            Ok(Ok(facts)) if (facts.machine, facts.class) != (program.machine, program.class) => return None,
            Ok(Ok(facts)) if facts.debug_only => HostLibrary::Unusable(format!("it is {}", facts.kind())),
            Ok(Ok(facts)) => HostLibrary::Elf(Box::new(facts)),
        };
        self.facts.libraries.insert(path.clone(), library);
        Some((path, bytes.unwrap_or_default()))
    }
}
