//! Facts about one ELF file, read from its bytes and nothing else.

mod dynamic;
mod error;
mod hash_tables;
mod header;
mod identify;
mod image;
mod limits;
mod linker_script;
mod notes;
mod outline;
mod relocations;
mod symbols;
mod versions;
mod window;

use std::sync::Arc;

use goblin::elf::Elf;
use goblin::elf::header::EV_CURRENT;
use serde::{Deserialize, Serialize};

pub use error::ElfError;
pub use header::{Class, Endianness, Machine, ObjectType};
pub use symbols::{Export, Import, SymbolKind};
pub use versions::RequiredVersion;

use crate::{ContractNote, FileKind, LibcFamily, LibcVersion};
use dynamic::{DT_RELR, DynamicTable};
use image::Image;
use outline::Outline;
use symbols::Symbols;
use versions::Versions;
use window::Window;

/// What the bytes of an ELF file say about where it loads.
///
/// Everything below the header is read as the loader reads it, through program headers and the dynamic table, so
/// a file without section headers gives the same facts. It is read for 64-bit little-endian files, which every
/// supported target is; of other files only the header's facts and the linkage are there and the lists are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ElfFacts {
    /// Length of the file in bytes.
    pub size: u64,
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endianness: Endianness,
    /// Processor architecture.
    pub machine: Machine,
    /// `e_type`.
    pub object_type: ObjectType,
    /// `e_ident[EI_OSABI]`: 0 (System V) or 3 (GNU) for what Linux loads.
    pub os_abi: u8,
    /// `e_ident[EI_ABIVERSION]`: 0 in all but exotic files.
    pub abi_version: u8,
    /// A header field with a value it never has, which glibc refuses and musl ignores.
    pub header_flaw: Option<String>,
    /// How it is linked, which `object_type` alone does not tell.
    pub linkage: Linkage,
    /// Whether it is only the debug information of a linked file: what would be loaded is not in it.
    #[serde(default)]
    pub debug_only: bool,
    /// The program interpreter (PT_INTERP): the loader's path, for executables.
    pub interpreter: Option<String>,
    /// The name others need it by (DT_SONAME).
    pub soname: Option<Arc<str>>,
    /// Names of the libraries it needs (DT_NEEDED), in their order.
    pub needed: Vec<Arc<str>>,
    /// Folders searched first for needed libraries (DT_RPATH, void when there is a DT_RUNPATH).
    pub rpath: Vec<String>,
    /// Folders searched for its own needed libraries (DT_RUNPATH).
    pub runpath: Vec<String>,
    /// The C library it is built for; none if it needs none.
    pub libc: Option<LibcFamily>,
    /// The highest glibc version that one of its required symbol versions names.
    pub glibc_floor: Option<LibcVersion>,
    /// Versions that needed libraries must define.
    pub required_versions: Vec<RequiredVersion>,
    /// Versions it defines itself.
    pub defined_versions: Vec<Arc<str>>,
    /// Libraries that stand in for its own symbols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtees: Vec<Filtee>,
    /// The tables by which its symbols are found.
    #[serde(default)]
    pub hash_tables: HashTables,
    /// Whether its symbols have versions, be it their own or those that they ask for (DT_VERSYM).
    #[serde(default)]
    pub versioned: bool,
    /// Symbols it asks for, sorted by name. Only those a relocation refers to: the loader looks up no others.
    pub imports: Vec<Import>,
    /// Symbols it offers, sorted by name.
    pub exports: Vec<Export>,
    /// The contract's note.
    pub note: ContractNote,
    /// Symbols of its own that relocations ask for and that only references with their version bind to, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden_references: Vec<Arc<str>>,
    /// Properties that decide loading on some hosts.
    pub traits: LoadTraits,
    /// The thread-local block of the file (PT_TLS); none if it has no thread-local variables.
    #[serde(default)]
    pub thread_local: Option<ThreadLocalBlock>,
    /// How its loaded segments lie.
    #[serde(default)]
    pub pages: PageLayout,
    /// What makes it harder to abuse.
    #[serde(default)]
    pub hardening: Hardening,
    /// Set when sections or their table lie beyond the end of the file although all that is loaded is there.
    pub missing_tail: Option<MissingTail>,
}

/// How a file is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Linkage {
    /// No dynamic table: nothing can be loaded into it and it cannot be loaded.
    Static,
    /// A position-independent executable without interpreter and needs.
    StaticPie,
    /// An executable for a fixed address that the loader completes.
    DynamicExecutable,
    /// A position-independent executable that the loader completes.
    DynamicPie,
    /// A library.
    SharedLibrary,
    /// Not linked, or not to be found out.
    None,
}

impl Linkage {
    /// How a file with a dynamic table is linked. Some libraries name an interpreter too, so that they can be run
    /// (`libc.so.6`): those have a name of their own.
    fn of(object_type: ObjectType, has_interpreter: bool, has_name: bool, is_pie: bool) -> Self {
        let is_program = is_pie || (has_interpreter && !has_name);
        match (object_type, has_interpreter) {
            (ObjectType::Executable, true) => Self::DynamicExecutable,
            (ObjectType::Executable, false) => Self::Static,
            (_, true) if is_program => Self::DynamicPie,
            (_, false) if is_program => Self::StaticPie,
            _ => Self::SharedLibrary,
        }
    }

    /// Whether a program linked this way has no loader, and so cannot load plugins.
    pub fn is_static(self) -> bool {
        matches!(self, Self::Static | Self::StaticPie)
    }
}

/// Properties that decide loading on some hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadTraits {
    /// Relocations write into code (DT_TEXTREL): refused under SELinux, slower elsewhere.
    pub text_relocations: bool,
    /// Thread-local storage of the initial-exec model is declared (DF_STATIC_TLS).
    pub static_tls: bool,
    /// Relocations of the initial-exec model refer to the file's own thread-local variables: musl refuses them.
    pub initial_exec_tls: bool,
    /// Functions are chosen when the file is loaded (GNU indirect functions): musl cannot bind those.
    pub indirect_functions: bool,
    /// Relative relocations are packed (DT_RELR): an older loader ignores them and the code crashes.
    pub packed_relocations: bool,
    /// An executable stack is asked for.
    pub executable_stack: bool,
    /// It may be linked with, and not be opened while a program runs (DF_1_NOOPEN).
    #[serde(default)]
    pub not_to_be_opened: bool,
    /// What it needs is not to be searched in the loader's default folders (DF_1_NODEFLIB); musl does not heed it.
    #[serde(default)]
    pub no_default_folders: bool,
    /// It is marked as an executable for any address (DF_1_PIE), which tells it from a library that can also be run.
    #[serde(default)]
    pub marked_as_program: bool,
    /// The x86-64 level that the file was marked to need (GNU_PROPERTY_X86_ISA_1_NEEDED, as glibc reads it): 1 to 4, or more where it asks for what no
    /// processor has.
    pub x86_64_level: Option<u8>,
}

/// The memory that each thread gets for the thread-local variables of a file, PT_TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThreadLocalBlock {
    /// Its size in bytes, the part that begins with zeros included.
    pub size: u64,
    /// Its alignment in bytes.
    pub alignment: u64,
}

/// A library that stands in for a file's own symbols: it comes in with the file and is searched before it. musl does not know such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Filtee {
    /// Its name.
    pub library: Arc<str>,
    /// Whether the file does not load without it (DT_FILTER rather than DT_AUXILIARY).
    pub required: bool,
}

/// The tables by which loaders find a file's symbols; glibc and musl take the first of these that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HashTables {
    /// DT_GNU_HASH.
    pub gnu: bool,
    /// DT_HASH, of the generic ABI.
    pub sysv: bool,
}

/// Which sizes of pages the loaded segments (PT_LOAD) are laid out for. All sizes are powers of two, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PageLayout {
    /// The largest size of pages by which every segment can be mapped: its address and its offset in the file differ by a
    /// multiple of that.
    pub mappable: u64,
    /// The largest size that divides the alignment which every segment declares.
    pub declared: u64,
    /// Whether address and offset of every segment differ by a multiple of the alignment that it declares.
    pub as_declared: bool,
    /// Whether two segments lie in one page of 4096 bytes, of which only the latter's protection can hold.
    pub shared: bool,
}

/// No segments, which every size suits.
impl Default for PageLayout {
    fn default() -> Self {
        Self { mappable: 1 << 63, declared: 1 << 63, as_declared: true, shared: false }
    }
}

/// What makes a file harder to abuse. See ld(1): `-z relro`, `-z now`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hardening {
    /// Data that only the loader writes is made read-only afterwards (PT_GNU_RELRO).
    pub relro: bool,
    /// All functions are bound when the file is loaded (DT_BIND_NOW and its flags), so that RELRO covers their table, too.
    pub bind_now: bool,
    /// A loaded segment is writable and executable at once.
    pub writable_code: bool,
}

/// The part of a file that is missing although nothing that is loaded is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissingTail {
    /// What lies beyond the end.
    pub part: String,
    /// Where that part would end, in bytes from the start of the file.
    pub needs: u64,
    /// The file's length in bytes.
    pub has: u64,
}

impl ElfFacts {
    /// Reads the facts of a file from its bytes. Allocates no more than sixteen times their length and 512 KiB, takes
    /// time that grows with the length and not faster, and panics on no input.
    ///
    /// # Errors
    /// [`ElfError::NotElf`] for anything else, [`ElfError::Truncated`] when a part that is loaded lies beyond the
    /// end, [`ElfError::Malformed`] when tables contradict each other or hold more than any honest file's do.
    pub fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        if let Some(error) = identify::foreign(bytes) {
            return Err(error);
        }
        let identification = header::identify(bytes)?;
        let mut facts = Self::of_header(bytes, &identification);
        let outline = Outline::of(bytes, facts.class, facts.endianness);
        // Of what no longer holds what was loaded, program headers tell anything: sections are asked, and only then.
        let is_debug_only = || outline.as_ref().is_some_and(Outline::is_debug_only);
        if facts.is_read_in_depth() {
            let read = facts.read_image(bytes);
            if (read.is_err() || facts.linkage == Linkage::Static) && is_debug_only() {
                return Ok(Self { debug_only: true, ..Self::of_header(bytes, &identification) });
            }
            read?;
        } else if let Some(outline) = &outline {
            facts.linkage = outline.linkage(facts.object_type);
            let is_linked = matches!(facts.object_type, ObjectType::Shared | ObjectType::Executable);
            if is_linked && matches!(facts.linkage, Linkage::Static | Linkage::None) && is_debug_only() {
                return Ok(Self { debug_only: true, ..Self::of_header(bytes, &identification) });
            }
        }
        Ok(facts)
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        match (self.object_type, self.linkage) {
            _ if self.debug_only => FileKind::DebugOnly,
            (ObjectType::Relocatable, _) => FileKind::Relocatable,
            (ObjectType::Core, _) => FileKind::Core,
            (ObjectType::Other(_), _) => FileKind::OtherElf,
            (_, Linkage::DynamicPie) => FileKind::Pie,
            (_, Linkage::StaticPie) => FileKind::StaticPie,
            (ObjectType::Shared, Linkage::Static) => FileKind::NoDynamicTable,
            // Where its linkage cannot be found out, it may well be a library.
            (ObjectType::Shared, _) => FileKind::SharedLibrary,
            (ObjectType::Executable, Linkage::Static) => FileKind::StaticExecutable,
            (ObjectType::Executable, _) => FileKind::Executable,
        }
    }

    /// The facts of a program that exports nothing, needs these libraries, and is completed by the loader at `interpreter`:
    /// what a host is taken for where no program is given.
    pub fn of_program(machine: Machine, interpreter: &str, needed: &[&str]) -> Self {
        let identification = header::Identification {
            class: Class::Bits64,
            endianness: Endianness::Little,
            machine,
            object_type: ObjectType::Shared,
            os_abi: 0,
            abi_version: 0,
            flaw: None,
        };
        Self {
            linkage: Linkage::DynamicPie,
            interpreter: Some(interpreter.to_owned()),
            needed: needed.iter().map(|name| Arc::from(*name)).collect(),
            libc: LibcFamily::of_interpreter(interpreter),
            ..Self::of_header(&[], &identification)
        }
    }

    /// The symbols that ask for a version of a library, sorted by name.
    pub fn symbols_needing<'a>(
        &'a self,
        required: &'a RequiredVersion,
    ) -> impl Iterator<Item = &'a str> + 'a {
        self.imports
            .iter()
            .filter(|import| {
                import.version.as_ref() == Some(&required.version)
                    && import.library.as_ref() == Some(&required.library)
            })
            .map(|import| &*import.name)
    }

    /// All definitions of the symbol called `name`, one for each version.
    pub fn exports_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Export> + 'a {
        let start = self.exports.partition_point(|export| &*export.name < name);
        self.exports[start..].iter().take_while(move |export| &*export.name == name)
    }

    /// Whether it offers a symbol called `name`.
    pub fn exports_symbol(&self, name: &str) -> bool {
        self.exports_named(name).next().is_some()
    }

    /// Whether more than the header was read: for linked 64-bit little-endian files.
    pub fn is_read_in_depth(&self) -> bool {
        self.class == Class::Bits64
            && self.endianness == Endianness::Little
            && matches!(self.object_type, ObjectType::Shared | ObjectType::Executable)
    }

    fn of_header(bytes: &[u8], identification: &header::Identification) -> Self {
        Self {
            size: bytes.len() as u64,
            class: identification.class,
            endianness: identification.endianness,
            machine: identification.machine,
            object_type: identification.object_type,
            os_abi: identification.os_abi,
            abi_version: identification.abi_version,
            header_flaw: identification.flaw.map(str::to_owned),
            linkage: Linkage::None,
            debug_only: false,
            interpreter: None,
            soname: None,
            needed: Vec::new(),
            rpath: Vec::new(),
            runpath: Vec::new(),
            libc: None,
            glibc_floor: None,
            required_versions: Vec::new(),
            defined_versions: Vec::new(),
            filtees: Vec::new(),
            hash_tables: HashTables::default(),
            versioned: false,
            imports: Vec::new(),
            exports: Vec::new(),
            hidden_references: Vec::new(),
            note: ContractNote::Missing,
            traits: LoadTraits::default(),
            thread_local: None,
            pages: PageLayout::default(),
            hardening: Hardening::default(),
            missing_tail: None,
        }
    }

    fn read_image(&mut self, bytes: &[u8]) -> Result<(), ElfError> {
        let header = Elf::parse_header(bytes).map_err(|_| ElfError::Truncated {
            part: "the ELF header",
            needs: goblin::elf64::header::SIZEOF_EHDR as u64,
            has: bytes.len() as u64,
        })?;
        if header.e_version != u32::from(EV_CURRENT) {
            self.header_flaw.get_or_insert_with(|| "its version is not 1".to_owned());
        }
        let image = Image::new(bytes, &header)?;
        if let Some(ElfError::Truncated { part, needs, has }) = image::missing_tail(bytes, &header) {
            self.missing_tail = Some(MissingTail { part: part.to_owned(), needs, has });
        }
        self.interpreter = image.interpreter();
        self.note = notes::contract_note(&image);
        self.traits.executable_stack = image.executable_stack();
        self.thread_local = image.thread_local();
        self.pages = image.pages();
        self.hardening.relro = image.relro();
        self.hardening.writable_code = image.writable_code();
        if self.machine == Machine::X86_64 {
            self.traits.x86_64_level = notes::x86_64_level(&image);
        }
        // An empty one is none to the loader.
        let Some(dynamic) = image.dynamic().filter(|table| !table.is_empty()) else {
            self.linkage = Linkage::Static;
            return Ok(());
        };
        self.read_dynamic(&image, &DynamicTable::new(dynamic))?;
        limits::check(self)?;
        self.libc = self.libc_family();
        self.glibc_floor = self
            .required_versions
            .iter()
            .filter_map(|required| LibcVersion::of_symbol_version(&required.version))
            .max();
        Ok(())
    }

    fn read_dynamic<'a>(&mut self, image: &Image<'a>, dynamic: &DynamicTable<'a>) -> Result<(), ElfError> {
        let names = dynamic.names(image)?;
        let versions = Versions::read(image, dynamic, &names)?;
        let symbols = Symbols::read(image, dynamic, &names, &versions, self.machine)?;
        self.soname = dynamic.soname(&names)?;
        self.needed = dynamic.needed(&names)?;
        self.rpath = dynamic.rpath(&names)?;
        self.runpath = dynamic.runpath(&names)?;
        let has_interpreter = self.interpreter.is_some();
        self.linkage =
            Linkage::of(self.object_type, has_interpreter, self.soname.is_some(), dynamic.is_pie());
        self.traits.text_relocations = dynamic.text_relocations();
        self.traits.static_tls = dynamic.declares_static_tls();
        self.traits.marked_as_program = dynamic.is_pie();
        self.traits.not_to_be_opened = dynamic.forbids_opening();
        self.hardening.bind_now = dynamic.binds_now();
        self.traits.initial_exec_tls = symbols.initial_exec_tls;
        self.traits.indirect_functions = symbols.indirect_functions;
        self.traits.packed_relocations = dynamic.value(DT_RELR).is_some();
        self.traits.no_default_folders = dynamic.skips_default_folders();
        self.filtees = dynamic.filtees(&names)?;
        self.hash_tables = dynamic.hash_tables();
        self.versioned = versions.are_there();
        self.required_versions = versions.required;
        self.defined_versions = versions.defined;
        self.imports = symbols.imports;
        self.exports = symbols.exports;
        self.hidden_references = symbols.hidden_references;
        Ok(())
    }

    fn libc_family(&self) -> Option<LibcFamily> {
        let of_versions = || {
            let is_glibc = |required: &RequiredVersion| required.version.starts_with("GLIBC_");
            self.required_versions.iter().any(is_glibc).then_some(LibcFamily::Glibc)
        };
        self.interpreter
            .as_deref()
            .and_then(LibcFamily::of_interpreter)
            .or_else(|| self.needed.iter().find_map(|name| LibcFamily::of_needed_library(name)))
            .or_else(of_versions)
    }
}
