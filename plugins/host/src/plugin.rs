//! A plugin that is mapped, checked, and has accepted this host.

use std::path::{Path, PathBuf};

use plugin_abi::{Kind, StaticPlugin};
use semver::Version;

use crate::call::{CallError, TextSlot};
use crate::digest::Sha256Digest;
use crate::entry::{self, Entry, EntryError};
use crate::environment::HostEnvironment;
use crate::image::Image;

/// A usable plugin. Its code and constants stay where they are until the process ends, so instances do
/// not borrow from it.
#[derive(Clone, Debug)]
pub struct Plugin {
    identity: PluginIdentity,
    origin: Origin,
    entry: Entry,
    remarks: Vec<String>,
}

/// Who a plugin is, from its note.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginIdentity {
    /// Its name, by which versions of one plugin belong together.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it is for.
    pub kind: Kind,
    /// Version of the contract it was built against, major and minor.
    pub abi: (u16, u16),
    /// The triple it was compiled for.
    pub target: String,
    /// The compiler that made it.
    pub compiler: String,
    /// How it was compiled.
    pub profile: String,
    /// Digest of the sources it was built from, or `unknown`.
    pub source_digest: String,
}

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a file, whose content had this digest when it was judged and loaded.
    File {
        /// The path it was loaded from.
        path: PathBuf,
        /// Digest of the loaded bytes.
        sha256: Sha256Digest,
    },
    /// It is part of this program.
    Linked,
}

impl Plugin {
    /// The plugin in a mapped image, given the identity that its note spells: reads and checks what it
    /// exports. Does not ask whether it accepts this host; see [`Plugin::accept`].
    ///
    /// # Safety
    /// The image is a plugin that keeps to the contract, as far as its note says which that is: its
    /// entry symbol, if it exports one, is a descriptor.
    ///
    /// # Errors
    /// If its descriptor is not what its note says or what the contract asks for.
    pub unsafe fn in_image(
        image: &Image,
        identity: &plugin_abi::Identity<'_>,
        origin: Origin,
    ) -> Result<Self, EntryError> {
        // SAFETY: the caller's promise.
        let entry = unsafe { entry::read_entry(image, identity) }?;
        let identity = PluginIdentity::new(identity, entry.kind)?;
        Ok(Self { identity, origin, entry, remarks: Vec::new() })
    }

    /// A plugin that is linked into the program, through the same checks as a loaded one, except
    /// those that concern files.
    ///
    /// # Errors
    /// If its descriptor is not what its note says or what the contract asks for.
    pub fn linked(plugin: &StaticPlugin) -> Result<Self, EntryError> {
        let identity = plugin.note.identity().map_err(|_| EntryError::UnreadableNote)?;
        // SAFETY: a `StaticPlugin` is made by the code that exports the symbol, in this program.
        let entry = unsafe { entry::check_entry(plugin.descriptor, &identity) }?;
        let identity = PluginIdentity::new(&identity, entry.kind)?;
        Ok(Self { identity, origin: Origin::Linked, entry, remarks: Vec::new() })
    }

    /// Who it is.
    pub fn identity(&self) -> &PluginIdentity {
        &self.identity
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path it was loaded from; `None` if it was linked.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File { path, .. } => Some(path),
            Origin::Linked => None,
        }
    }

    /// Names of what it makes instances of; the first is the default.
    pub fn factories(&self) -> impl Iterator<Item = &str> {
        self.entry.factories.iter().map(|factory| factory.name.as_str())
    }

    /// Asks the plugin whether it wants to run on this host; loading does so, once.
    ///
    /// # Errors
    /// Its reason, if it does not, with [`Status::DECLINED`](plugin_abi::Status::DECLINED) or a failure.
    pub fn accept(&self, host: &HostEnvironment) -> Result<(), CallError> {
        let Some(accept) = self.entry.descriptor.accept else { return Ok(()) };
        let mut reason = TextSlot::default();
        let sink = reason.sink();
        // SAFETY: the facts and the sink live during the call; the function is the plugin's own.
        let status = host.lend(|facts| unsafe { accept(facts, sink) });
        reason.into_result(status)
    }

    /// What the judge found odd although it does not prevent loading; sentences for people.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub(crate) fn with_remarks(self, remarks: Vec<String>) -> Self {
        Self { remarks, ..self }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl PluginIdentity {
    /// Whether a panic in the plugin ends this process.
    pub fn aborts_on_panic(&self) -> bool {
        plugin_abi::note::aborts_on_panic(&self.profile)
    }

    pub(crate) fn new(note: &plugin_abi::Identity<'_>, kind: Kind) -> Result<Self, EntryError> {
        Ok(Self {
            name: note.name.to_owned(),
            // The note's own rule is that of semver.org; two implementations may still differ.
            version: note.version.parse().map_err(|_| EntryError::UnreadableNote)?,
            kind,
            abi: (note.abi_major, note.abi_minor),
            target: note.target.to_owned(),
            compiler: note.compiler.to_owned(),
            profile: note.profile.to_owned(),
            source_digest: note.source_digest.to_owned(),
        })
    }
}
