//! The C header: it compiles without a warning, and a C compiler lays everything out as Rust does.

use plugin_abi::note::{self, NoteDescriptor};
use plugin_abi::*;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

/// One `name size-or-offset` line per structure and field: as a C program prints it, and as Rust has it.
macro_rules! layouts {
    ($($name:ident { $($field:ident),* })*) => {{
        let mut c = String::new();
        let mut rust = String::new();
        $(
            let name = concat!("Dynlab", stringify!($name));
            writeln!(c, r#"printf("{name} %zu\n", sizeof({name}));"#).unwrap();
            writeln!(rust, "{name} {}", size_of::<$name>()).unwrap();
            $(
                let field = stringify!($field);
                writeln!(c, r#"printf("{name}.{field} %zu\n", offsetof({name}, {field}));"#).unwrap();
                writeln!(rust, "{name}.{field} {}", offset_of!($name, $field)).unwrap();
            )*
        )*
        (c, rust)
    }};
}

#[test]
fn c_lays_out_what_rust_lays_out() {
    let (prints, expected) = layouts! {
        Text { ptr, len }
        Bytes { ptr, len }
        TextSink { context, write }
        LogSink { context, write }
        Address { family, port, scope, bytes }
        Note { owner_size, descriptor_size, note_type, owner, descriptor }
        NoteDescriptor { abi_major, abi_minor, kind, name, version, entry, target, compiler, profile, source_digest }
        PluginDescriptor { size, abi_major, abi_minor, kind, flags, accept, factories, factory_count }
        Factory { size, reserved, name, table }
        CreateArgs { size, reserved, config, host, log }
        HostInfo {
            size, abi_major, abi_minor, arch, libc, libc_version, kernel, cpu_features, cpu_feature_count, memory, labels,
            label_count, cores, reserved
        }
        Label { key, value }
        Request { size, http_version, method, path, query, mount, peer, headers, header_count, body }
        Header { name, value }
        HandlerTable { size, reserved, create, destroy, route, methods, method_count, handle, health }
        ResponseSink { size, reserved, context, set_status, add_header, write_body }
        MiddlewareTable { size, reserved, create, destroy, before, after, health }
        RequestEdit { size, reserved, context, set_header, add_header, remove_header, set_target, set_peer }
        ResponseView { size, status, headers, header_count, body }
        ResponseEdit { size, reserved, context, set_status, set_header, add_header, remove_header, set_body }
        CacheTable { size, reserved, create, destroy, get, set, remove, health }
        Completion { context, done }
        ResolverTable { size, reserved, create, destroy, resolve, report, health }
        Upstream { size, weight, address, name }
        UpstreamSink { size, reserved, context, add }
        Waker { context, wake }
        ShowcaseTable { size, reserved, create, destroy, describe }
        Status {}
    };
    let source = format!(
        "#include \"dynlab_plugin.h\"\n#include <stdio.h>\nint main(void) {{\n{prints}return 0;\n}}\n"
    );
    let folder = Folder::new("layout");
    let program = folder.compile("c", "-std=c11", &["-o", "layout"], &source).join("layout");
    let output = run(&mut Command::new(program));
    assert_eq!(output, expected);
}

/// What an author writes: the macros, the note they make, and the constants, in C and in C++.
const PLUGIN: &str = r#"
#include "dynlab_plugin.h"
static const DynlabShowcaseTable table = { sizeof(DynlabShowcaseTable), 0, NULL, NULL, NULL };
static DynlabStatus accept_all(const DynlabHostInfo *host, DynlabTextSink reason) {
  if (host->cores == 0) dynlab_put(reason, "no processor");
  return host->cores == 0 ? DYNLAB_STATUS_DECLINED : DYNLAB_STATUS_OK;
}
DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_SHOWCASE, "from-c", "0.2.0-rc.1");
DYNLAB_PLUGIN_EXPORT_ACCEPTING(DYNLAB_KIND_SHOWCASE, table, accept_all);
"#;

#[test]
fn the_note_written_in_c_is_read() {
    check_note(&Folder::new("note-c").compile("c", "-std=c11", &["-c", "-o", "plugin.o"], PLUGIN));
}

#[test]
#[ignore = "needs a C++ compiler beside the C compiler; run with --include-ignored"]
fn the_note_written_in_cpp_is_read() {
    check_note(&Folder::new("note-cpp").compile("c++", "-std=c++11", &["-c", "-o", "plugin.o"], PLUGIN));
}

#[test]
fn the_handler_in_c_compiles_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !folder.join("../../lab.toml").exists() {
        eprintln!("skipped: the handler in C (it is in the repository, not in the package)");
        return;
    }
    let source = fs::read_to_string(folder.join("../handlers/hello-c/plugin.c")).unwrap();
    Folder::new("hello-c").compile("c", "-std=c11", &["-fsyntax-only"], &source);
}

/// The note in `plugin.o`, found by its header because reading ELF is another crate's part.
fn check_note(folder: &Path) {
    let object = fs::read(folder.join("plugin.o")).unwrap();
    let header = [
        &7_u32.to_le_bytes()[..],
        &(note::DESCRIPTOR_SIZE as u32).to_le_bytes(),
        &1_u32.to_le_bytes(),
        note::OWNER,
    ]
    .concat();
    let at = object.windows(header.len()).position(|window| window == header).expect("no note in the object");
    let end = at + size_of::<Note>();
    let descriptor = note::find(&object[at..end], 4).unwrap().unwrap();
    let identity = Identity::parse(descriptor).unwrap();
    assert_eq!((identity.abi_major, identity.abi_minor), (ABI_MAJOR, ABI_MINOR));
    assert_eq!(identity.known_kind(), Some(Kind::Showcase));
    assert_eq!((identity.name, identity.version, identity.entry), ("from-c", "0.2.0-rc.1", "dynlab_plugin"));
    assert_eq!((identity.profile, identity.source_digest), ("debug", "unknown"));
    assert!(
        identity.target.ends_with("-unknown-linux-gnu") || identity.target.ends_with("-unknown-linux-musl")
    );
    assert!(
        identity.compiler.starts_with("gcc ") || identity.compiler.starts_with("clang "),
        "{}",
        identity.compiler
    );
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = env::temp_dir().join(format!("plugin-abi-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// Compiles `source` here with every warning an error, and returns the folder.
    fn compile(&self, language: &str, standard: &str, options: &[&str], source: &str) -> PathBuf {
        fs::write(self.0.join("source"), source).unwrap();
        let compiler = env::var_os("CC").unwrap_or_else(|| "gcc".into());
        let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", standard, "-x", language, "source", "-I"]);
        run(command.arg(include).args(options).current_dir(&self.0));
        self.0.clone()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind if it cannot be removed; the system cleans its temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
