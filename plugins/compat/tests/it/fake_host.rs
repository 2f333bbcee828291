//! Small root file systems with stub libraries that play a C library of a given version.

use std::fs;
use std::os::unix::fs::symlink;

use plugin_compat::{ElfFacts, HostFacts, HostReader};

use crate::toolchain::{BARE, Workshop};

pub(crate) const ARCH: &str = std::env::consts::ARCH;

/// Symbols that the stub glibc defines, by the version that brought them.
const GLIBC_SYMBOLS: [(&str, &[&str]); 5] = [
    ("2.17", &["base_call"]),
    ("2.31", &["call_of_31"]),
    ("2.34", &["call_of_34", "other_of_34"]),
    ("2.36", &["call_of_36"]),
    ("2.38", &["strtol_of_38", "fmod_of_38", "sqrt_of_38", "pow_of_38", "exp_of_38"]),
];

/// A root file system with its host program, and the library folder that plugins for it are linked from.
pub(crate) struct FakeHost {
    pub(crate) workshop: Workshop,
    name: String,
    program: ElfFacts,
    /// What its program is linked with.
    linked: Vec<String>,
}

/// What every program has; it exports the second.
const PROGRAM: &str =
    "void base_call(void); void exported_by_program(void) {} void _start(void) { base_call(); }";

impl FakeHost {
    /// Debian's layout with a glibc of this version.
    pub(crate) fn glibc(version: &str) -> Self {
        let workshop = Workshop::new();
        let folder = format!("root/lib/{ARCH}-linux-gnu");
        fs::create_dir_all(workshop.path(&folder)).expect("the library folder");
        let loader_name = if ARCH == "x86_64" { "ld-linux-x86-64.so.2" } else { "ld-linux-aarch64.so.1" };
        let loader_source = format!(r#"const char folders[] = "/lib/{ARCH}-linux-gnu/";"#);
        workshop.library(
            &format!("{folder}/{loader_name}"),
            &loader_source,
            &[&format!("-Wl,-soname,{loader_name}")],
        );
        // Absolute, so that it resolves only inside the root.
        fs::create_dir_all(workshop.path("root/lib64")).expect("a folder");
        symlink(
            format!("/lib/{ARCH}-linux-gnu/{loader_name}"),
            workshop.path(&format!("root/lib64/{loader_name}")),
        )
        .expect("the loader's link");
        build_glibc(&workshop, &format!("{folder}/libc.so.6"), version);
        let interpreter = format!("/lib64/{loader_name}");
        Self::with_program(
            workshop,
            &format!("glibc-{version}"),
            &interpreter,
            &format!("{folder}/libc.so.6"),
        )
    }

    /// A root with nothing but musl of this version.
    pub(crate) fn musl(version: &str) -> Self {
        let workshop = Workshop::new();
        let source = format!(
            r#"const char version[] = "{version}"; void base_call(void) {{}} void call_of_34(void) {{}} void open(void) {{}}"#
        );
        let loader = format!("root/lib/ld-musl-{ARCH}.so.1");
        workshop.library(&loader, &source, &["-Wl,-soname,libc.so"]);
        let interpreter = format!("/lib/ld-musl-{ARCH}.so.1");
        Self::with_program(workshop, &format!("musl-{version}"), &interpreter, &loader)
    }

    /// A host whose program is linked statically.
    pub(crate) fn of_static_program() -> Self {
        let workshop = Workshop::new();
        let arguments: Vec<&str> = [&BARE[..], &["-static", "-no-pie"]].concat();
        let program = workshop.compile("program", "void _start(void) {}", &arguments);
        let program = ElfFacts::parse(&fs::read(program).expect("the program")).expect("an ELF file");
        Self { workshop, name: "static".to_owned(), program, linked: Vec::new() }
    }

    /// The same host with a program that also has this source and is linked with these arguments, too.
    pub(crate) fn whose_program_has(mut self, source: &str, arguments: &[&str]) -> Self {
        let linked = self.linked.iter().map(String::as_str).chain(arguments.iter().copied());
        self.program = build_program(&self.workshop, &format!("{PROGRAM} {source}"), linked);
        self
    }

    fn with_program(workshop: Workshop, name: &str, interpreter: &str, libc: &str) -> Self {
        let linked = vec![format!("-Wl,-dynamic-linker,{interpreter}"), libc.to_owned()];
        let program = build_program(&workshop, PROGRAM, linked.iter().map(String::as_str));
        Self { workshop, name: name.to_owned(), program, linked }
    }

    pub(crate) fn reader(&self) -> HostReader {
        HostReader::open(&self.workshop.path("root"), &self.name, self.program.clone())
            .expect("a readable host")
    }

    /// The facts to judge this plugin by.
    pub(crate) fn facts_for(&self, plugin: &ElfFacts) -> HostFacts {
        self.reader().learn(plugin).clone()
    }
}

fn build_program<'a>(workshop: &Workshop, source: &str, linked: impl Iterator<Item = &'a str>) -> ElfFacts {
    let arguments = ["-pie", "-rdynamic", "-Wl,--allow-shlib-undefined"];
    let arguments: Vec<&str> = BARE.into_iter().chain(arguments).chain(linked).collect();
    let program = workshop.compile("program", source, &arguments);
    ElfFacts::parse(&fs::read(program).expect("the program")).expect("an ELF file")
}

/// Builds a stub libc.so.6 that defines the versions up to `version` and tells its version as glibc does.
pub(crate) fn build_glibc(workshop: &Workshop, output: &str, version: &str) {
    let minor = |text: &str| text.strip_prefix("2.").and_then(|minor| minor.parse::<u32>().ok());
    let mut source =
        format!(r#"const char banner[] = "GNU C Library (stub) stable release version {version}.\n";"#);
    let mut script = String::new();
    for (since, symbols) in GLIBC_SYMBOLS {
        if minor(since) > minor(version) {
            continue;
        }
        for symbol in symbols {
            source += &format!("\nvoid {symbol}(void) {{}}");
        }
        script += &format!("GLIBC_{since} {{ global: {}; }};\n", symbols.join("; "));
    }
    script += "GLIBC_PRIVATE { local: *; };\n";
    let script = workshop.write(&format!("{output}.map"), script);
    workshop.library(
        output,
        &source,
        &["-Wl,-soname,libc.so.6", &format!("-Wl,--version-script={}", script.display())],
    );
}
