//! Plugins' notes, written byte by byte, so that the layout is checked against something else than itself.

/// What a plugin's note says.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    pub(crate) abi: (u16, u16),
    pub(crate) kind: u32,
    pub(crate) entry: &'static str,
    pub(crate) target: &'static str,
    pub(crate) profile: &'static str,
}

impl Note {
    /// A handler's note of the contract that this build knows.
    pub(crate) fn of_handler() -> Self {
        Self {
            abi: (plugin_abi::ABI_MAJOR, plugin_abi::ABI_MINOR),
            kind: plugin_abi::Kind::Handler.code(),
            entry: "dynlab_plugin",
            target: "x86_64-unknown-linux-gnu",
            profile: "release",
        }
    }

    /// The whole note: sizes, type, owner, descriptor.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut descriptor = Vec::new();
        descriptor.extend(self.abi.0.to_le_bytes());
        descriptor.extend(self.abi.1.to_le_bytes());
        descriptor.extend(self.kind.to_le_bytes());
        let fields = [
            ("test-plugin", 64),
            ("1.2.3", 32),
            (self.entry, 64),
            (self.target, 64),
            ("gcc 12.2.0", 96),
            (self.profile, 16),
            ("unknown", 72),
        ];
        for (text, width) in fields {
            descriptor.extend(text.bytes());
            descriptor.extend(std::iter::repeat_n(0, width - text.len()));
        }
        let mut note = Vec::new();
        note.extend(7u32.to_le_bytes());
        note.extend((descriptor.len() as u32).to_le_bytes());
        note.extend(1u32.to_le_bytes());
        note.extend(b"Dynlab\0\0");
        note.extend(descriptor);
        note
    }

    /// C source of a plugin with this note and an exported entry.
    pub(crate) fn plugin_source(&self) -> String {
        format!("{}\nconst int {}[8] = {{1}};\n", note_source(&self.bytes()), self.entry)
    }
}

/// C source that puts bytes into a note section.
pub(crate) fn note_source(note: &[u8]) -> String {
    let bytes: Vec<String> = note.iter().map(u8::to_string).collect();
    format!(
        r#"__asm__(".pushsection .note.dynlab,\"a\",%note\n.balign 4\n.byte {}\n.popsection");"#,
        bytes.join(",")
    )
}
