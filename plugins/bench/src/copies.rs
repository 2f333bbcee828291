//! A folder of many plugins, which differ in nothing but their names.

use std::error::Error;
use std::fs::{self, Permissions};
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use plugin_sdk::abi::Note;
use plugin_sdk::abi::note::{DESCRIPTOR_SIZE, NOTE_TYPE, NoteDescriptor, OWNER};

/// Writes so many copies of `plugin` to `folder`, from number 0 on. To a host each is a plugin of its own: another file, with another name in its note and
/// so another digest. Only the owner can change file and folder, as hosts want it.
pub(crate) fn write(count: u32, plugin: &Path, folder: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut bytes = fs::read(plugin).map_err(|error| format!("{}: {error}", plugin.display()))?;
    let field = name_field(&bytes).map_err(|complaint| format!("{} {complaint}", plugin.display()))?;
    let started = Instant::now();
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for number in 0..count {
        let name = name(number);
        put(&mut bytes[field.clone()], &name);
        let file = folder.join(format!("{name}.so"));
        fs::write(&file, &bytes)?;
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    }
    Ok(started.elapsed())
}

/// What the copy of that number is called; its file's name is the same and `.so`.
fn name(number: u32) -> String {
    format!("copy{number:04}")
}

/// A text of a note: filled up with NUL.
fn put(field: &mut [u8], text: &str) {
    field.fill(0);
    field[..text.len()].copy_from_slice(text.as_bytes());
}

/// Where in a plugin's file the name is; the note is found by how it begins (SPEC.md, section 2).
fn name_field(file: &[u8]) -> Result<Range<usize>, &'static str> {
    let mut begin = Vec::new();
    for number in [OWNER.len() as u32, DESCRIPTOR_SIZE as u32, NOTE_TYPE] {
        begin.extend(number.to_le_bytes());
    }
    begin.extend(OWNER);
    let mut places = (0..file.len()).filter(|&at| file[at..].starts_with(&begin));
    let (Some(note), None) = (places.next(), places.next()) else {
        return Err("has none of our notes, or more than one: it is no plugin of this version");
    };
    let descriptor = note + offset_of!(Note, descriptor);
    // The version follows the name.
    let name =
        descriptor + offset_of!(NoteDescriptor, name)..descriptor + offset_of!(NoteDescriptor, version);
    if name.end > file.len() { Err("ends within its note") } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_sdk::abi::{Identity, note};

    /// A note as it lies in a file.
    fn note_of(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [7, DESCRIPTOR_SIZE as u32, NOTE_TYPE] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"Dynlab\0\0\x01\0\0\0\x01\0\0\0");
        let texts = [
            (name, 64),
            ("1.2.3", 32),
            ("dynlab_plugin", 64),
            ("x86_64-unknown-linux-gnu", 64),
            ("rustc 1.63.0", 96),
            ("release", 16),
            ("unknown", 72),
        ];
        for (text, size) in texts {
            let mut field = vec![0; size];
            put(&mut field, text);
            bytes.extend(field);
        }
        bytes
    }

    #[test]
    fn copies_differ_in_their_names_alone() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("ip.so");
        let of = |name: &str| [&b"before Dynlab\0"[..], &note_of(name), b"after"].concat();
        fs::write(&plugin, of("a-name-that-is-longer")).unwrap();
        let copies = folder.path().join("root/handlers");
        write(3, &plugin, &copies).unwrap();
        assert_eq!(fs::read_dir(&copies).unwrap().count(), 3);
        for number in 0..3 {
            let name = name(number);
            let file = copies.join(format!("{name}.so"));
            assert_eq!(fs::read(&file).unwrap(), of(&name));
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        }
        let bytes = note_of(&name(2));
        let identity = Identity::parse(note::find(&bytes, 4).unwrap().unwrap()).unwrap();
        assert_eq!((identity.name, identity.version), ("copy0002", "1.2.3"));
    }

    #[test]
    fn what_is_no_plugin_is_not_copied() {
        let good = note_of("ip");
        let twice = [&good[..], &good].concat();
        for (bytes, complaint) in
            [(&b"Dynlab"[..], "none of our notes"), (&twice, "more than one"), (&good[..60], "ends within")]
        {
            let folder = tempfile::tempdir().unwrap();
            let plugin = folder.path().join("odd.so");
            fs::write(&plugin, bytes).unwrap();
            let error = write(1, &plugin, &folder.path().join("to")).unwrap_err().to_string();
            assert!(error.contains("odd.so") && error.contains(complaint), "{error}");
            assert!(!folder.path().join("to").exists());
        }
    }
}
