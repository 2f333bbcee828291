//! `observe`: what really happens when the bytes of a file are loaded, without asking the judge.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use plugin_abi::{Identity, Kind, note, version};
use plugin_host::{HostEnvironment, Image, MapError, Origin, Plugin, Sha256Digest};
use serde::Deserialize;

use crate::exercise::{self, Exercise};
use crate::loaded_note::{NoteSegment, note_segments};
use crate::report::{Observation, Stage};

/// What to look at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Subject {
    pub(crate) file: PathBuf,
    /// Cut the file short (a copy of it) after its bytes were read and before they are loaded.
    #[serde(default)]
    pub(crate) truncate_after_judging: bool,
    /// With what it is made and called.
    #[serde(flatten)]
    pub(crate) exercise: Exercise,
}

/// Loads the subject into this process, which is `host`, and calls it once. `enter` is told of each stage
/// before it begins.
///
/// Runs code that nobody has judged: only for a process that may come to harm.
pub(crate) fn observe(
    host: &HostEnvironment,
    subject: &Subject,
    enter: &mut dyn FnMut(Stage),
) -> Observation {
    let outcome = load_and_call(host, subject, enter);
    outcome.map_or_else(|declined| declined, Observation::works)
}

/// The same in a child: stages and observation go to its report.
pub(crate) fn into_report(host: &HostEnvironment, subject: &Subject, report: &mut File) {
    // A write can only fail if the supervisor is gone, and this process ends with it.
    let observation = observe(host, subject, &mut |stage| drop(writeln!(report, "stage {}", stage.name())));
    if let Ok(line) = serde_json::to_string(&observation) {
        drop(writeln!(report, "{line}"));
    }
}

/// The observation in a child's report, if it got that far.
pub(crate) fn from_report(report: &str) -> Option<Observation> {
    serde_json::from_str(report.lines().last()?).ok()
}

fn load_and_call(
    host: &HostEnvironment,
    subject: &Subject,
    enter: &mut dyn FnMut(Stage),
) -> Result<String, Observation> {
    enter(Stage::Open);
    let bytes = read(subject).map_err(|error| {
        let message = format!("cannot read {}: {error}", subject.file.display());
        Observation::refused(Stage::Open, Some("file.unreadable"), message)
    })?;

    enter(Stage::Dlopen);
    let label = subject.file.file_name().unwrap_or_default().to_string_lossy();
    // SAFETY: whether these bytes may run here is what is to be found out; this process is for that.
    let image = unsafe { Image::map(&label, &bytes) }.map_err(unmapped)?;

    enter(Stage::Note);
    let segments = note_segments(image.loader_path()).unwrap_or_default();
    let identity = read_note(&segments)?;

    enter(Stage::Abi);
    check_version(&identity)?;

    enter(Stage::Entry);
    let origin = Origin::File { path: subject.file.clone(), sha256: Sha256Digest::of(&bytes) };
    // SAFETY: as above: the note says it is a plugin of this contract, and no more is known.
    let plugin = unsafe { Plugin::in_image(&image, &identity, origin) }.map_err(|error| {
        let stage = if error.code() == "entry.missing" { Stage::Entry } else { Stage::Descriptor };
        Observation::refused(stage, Some(error.code()), format!("{}: {error}", identity.name))
    })?;

    exercise::accept_create_call(&plugin, host, &subject.exercise, enter)
}

fn read(subject: &Subject) -> io::Result<Vec<u8>> {
    if !subject.truncate_after_judging {
        return fs::read(&subject.file);
    }
    let mut copy = copy_without_name(&subject.file)?;
    let mut bytes = Vec::new();
    copy.read_to_end(&mut bytes)?;
    copy.set_len(bytes.len() as u64 / 2)?;
    Ok(bytes)
}

/// An open copy of a file that vanishes with its descriptor, however this process ends.
fn copy_without_name(file: &Path) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("plugin-probe-{}.so", std::process::id()));
    let mut copy = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    io::copy(&mut File::open(file)?, &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

fn unmapped(error: MapError) -> Observation {
    match &error {
        MapError::Loader { message, path } => {
            let code = plugin_compat::code_of_message(message, &path.to_string_lossy());
            Observation::refused(Stage::Dlopen, code.map(plugin_compat::Code::as_str), message.clone())
        }
        _ => Observation::refused(Stage::Open, Some("file.unreadable"), with_source(&error)),
    }
}

fn read_note(segments: &[NoteSegment]) -> Result<Identity<'_>, Observation> {
    let garbled =
        |error: note::NoteError| Observation::refused(Stage::Note, Some("note.garbled"), error.to_string());
    for segment in segments {
        if let Some(descriptor) = note::find(&segment.content, segment.align).map_err(garbled)? {
            return Identity::parse(descriptor).map_err(garbled);
        }
    }
    let message = "the loaded object has no Dynlab note; build it with the plugin kit";
    Err(Observation::refused(Stage::Note, Some("note.missing"), message))
}

fn check_version(identity: &Identity<'_>) -> Result<(), Observation> {
    version::check_abi(identity.abi_major, identity.abi_minor).map_err(|mismatch| {
        let code = match mismatch {
            version::AbiMismatch::Major { .. } => "abi.major",
            version::AbiMismatch::Minor { .. } => "abi.minor",
        };
        Observation::refused(Stage::Abi, Some(code), mismatch.to_string())
    })?;
    if Kind::from_code(identity.kind).is_none() {
        let message =
            format!("is of kind {}, which this host does not know; upgrade the host", identity.kind);
        return Err(Observation::refused(Stage::Abi, Some("abi.kind"), message));
    }
    Ok(())
}

/// An error and the one behind it, on one line.
pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_source(source)),
        None => error.to_string(),
    }
}
