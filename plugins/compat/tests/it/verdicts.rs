//! Verdicts on plugins in hosts: one check, cases as data.

use std::fs;

use plugin_compat::{Code, ElfFacts, Kind, Policy, Reason, judge, judge_at, judge_bytes};

use crate::contract_note::{Note, note_source};
use crate::fake_host::{ARCH, FakeHost, build_glibc};
use crate::toolchain::{BARE, dynamic_table, level_source};

/// Builds a plugin in the host's workshop, linked with a stub glibc 2.38 if `libc` is set.
struct Plugin<'a> {
    source: String,
    arguments: &'a [&'a str],
    libc: bool,
}

impl Plugin<'_> {
    fn good() -> Self {
        Self { source: Note::of_handler().plugin_source(), arguments: &[], libc: true }
    }

    fn calling(functions: &[&str]) -> Self {
        let calls: String = functions.iter().map(|name| format!("{name}(); ")).collect();
        let declarations: String = functions.iter().map(|name| format!("void {name}(void); ")).collect();
        let good = Self::good();
        Self { source: format!("{}\n{declarations} void work(void) {{ {calls} }}", good.source), ..good }
    }

    fn with_note(note: Note) -> Self {
        Self { source: note.plugin_source(), ..Self::good() }
    }

    fn build(&self, host: &FakeHost) -> Vec<u8> {
        if !host.workshop.path("newest/libc.so.6").exists() {
            build_glibc(&host.workshop, "newest/libc.so.6", "2.38");
        }
        let mut arguments = self.arguments.to_vec();
        if self.libc {
            arguments.extend(["-Wl,--no-as-needed", "newest/libc.so.6"]);
        }
        host.workshop.library("plugin.so", &self.source, &arguments)
    }
}

fn reasons(host: &FakeHost, plugin: &[u8], policy: &Policy) -> Vec<Reason> {
    let verdict = match ElfFacts::parse(plugin) {
        Ok(facts) => judge(&facts, &host.facts_for(&facts), policy),
        Err(_) => judge_bytes(plugin, host.reader().facts(), policy),
    };
    assert_eq!(verdict.loadable, verdict.reasons.is_empty());
    assert!(verdict.reasons.windows(2).all(|pair| pair[0].code <= pair[1].code), "{:?}", verdict.reasons);
    verdict.reasons
}

fn check(host: &FakeHost, plugin: &Plugin<'_>) -> String {
    check_bytes(host, &plugin.build(host))
}

fn check_bytes(host: &FakeHost, plugin: &[u8]) -> String {
    told(&reasons(host, plugin, &Policy::any_kind()))
}

/// The same where only the loader is asked, for libraries without note.
fn check_loading(host: &FakeHost, library: &[u8]) -> String {
    told(&reasons(host, library, &Policy::loader_only()))
}

fn told(reasons: &[Reason]) -> String {
    if reasons.is_empty() {
        return "loads".to_owned();
    }
    // The folder and the machine differ from one developer to the next, the sentences do not.
    let lines: Vec<String> = reasons.iter().map(Reason::to_string).collect();
    lines.join("\n").replace(ARCH, "ARCH")
}

#[test]
fn a_good_plugin_loads() {
    let host = FakeHost::glibc("2.36");
    assert_eq!(check(&host, &Plugin::good()), "loads");
    assert_eq!(check(&host, &Plugin::calling(&["base_call", "call_of_34", "exported_by_program"])), "loads");
}

#[test]
fn symbol_versions_newer_than_the_host_are_named_with_their_symbols() {
    let plugin = Plugin::calling(&["base_call", "call_of_34", "fmod_of_38"]);
    assert_eq!(check(&FakeHost::glibc("2.38"), &plugin), "loads");
    insta::assert_snapshot!(check(&FakeHost::glibc("2.36"), &plugin), @"libc.symbol-version: the plugin needs GLIBC_2.38 of libc.so.6 (symbol fmod_of_38), host glibc-2.36 has 2.36; build with a glibc floor of 2.36 or lower");
    insta::assert_snapshot!(check(&FakeHost::glibc("2.31"), &plugin), @r"
    libc.symbol-version: the plugin needs GLIBC_2.38 of libc.so.6 (symbol fmod_of_38), host glibc-2.31 has 2.31; build with a glibc floor of 2.31 or lower
    libc.symbol-version: the plugin needs GLIBC_2.34 of libc.so.6 (symbol call_of_34), host glibc-2.31 has 2.31; build with a glibc floor of 2.31 or lower
    ");
    let many = Plugin::calling(&["strtol_of_38", "fmod_of_38", "sqrt_of_38", "pow_of_38", "exp_of_38"]);
    insta::assert_snapshot!(check(&FakeHost::glibc("2.36"), &many), @"libc.symbol-version: the plugin needs GLIBC_2.38 of libc.so.6 (symbols exp_of_38, fmod_of_38, pow_of_38 and 2 more), host glibc-2.36 has 2.36; build with a glibc floor of 2.36 or lower");
}

#[test]
fn a_weak_required_version_may_be_absent() {
    let host = FakeHost::glibc("2.31");
    let source = "__attribute__((weak)) void call_of_36(void); int work(void) { return call_of_36 != 0; }";
    let good = Plugin::good();
    let mut plugin = Plugin { source: format!("{}\n{source}", good.source), ..good }.build(&host);
    assert!(check_bytes(&host, &plugin).starts_with("libc.symbol-version: "));
    mark_version_weak(&mut plugin, "GLIBC_2.36");
    assert_eq!(check_bytes(&host, &plugin), "loads");
}

/// Sets VER_FLG_WEAK, as newer linkers do for versions that only weak references need. An entry of `.gnu.version_r`
/// begins with the hash of the version's name, then come the flags.
fn mark_version_weak(plugin: &mut [u8], version: &str) {
    let hash = version.bytes().fold(0u32, |hash, byte| {
        let next = (hash << 4).wrapping_add(u32::from(byte));
        let high = next & 0xf000_0000;
        (next ^ (high >> 24)) & !high
    });
    let entry = plugin.windows(4).position(|bytes| bytes == hash.to_le_bytes()).expect("the version's entry");
    plugin[entry + 4] = 2;
}

#[test]
fn undefined_symbols_are_refused_and_weak_ones_are_not() {
    let host = FakeHost::glibc("2.36");
    insta::assert_snapshot!(check(&host, &Plugin::calling(&["nobody_has_this"])), @"symbol.undefined: the plugin needs the symbol nobody_has_this, which neither the program of glibc-2.36 nor a needed library defines; link the library that defines it");
    insta::assert_snapshot!(check(&host, &Plugin::calling(&["none_1", "none_2", "none_3", "none_4", "none_5"])), @"symbol.undefined: the plugin needs the symbols none_1, none_2, none_3 and 2 more, which neither the program of glibc-2.36 nor a needed library defines; link the library that defines them");
    let weak = Plugin {
        source: format!(
            "{}\n__attribute__((weak)) void nobody(void); int work(void) {{ return nobody != 0; }}",
            Plugin::good().source
        ),
        ..Plugin::good()
    };
    assert_eq!(check(&host, &weak), "loads");
}

#[test]
fn needed_libraries_are_searched_in_the_host() {
    let host = FakeHost::glibc("2.36");
    host.workshop.library("libextra.so.1", "void extra(void) {}", &["-Wl,-soname,libextra.so.1"]);
    let plugin = Plugin { arguments: &["libextra.so.1"], ..Plugin::calling(&["extra"]) };
    insta::assert_snapshot!(check(&host, &plugin), @"library.missing: the plugin needs libextra.so.1, host glibc-2.36 has no such file in /lib/ARCH-linux-gnu, /usr/lib/ARCH-linux-gnu, /lib, /usr/lib; install the library there, or link it statically");

    let folder = host.workshop.path(&format!("root/usr/lib/{ARCH}-linux-gnu"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("libextra.so.1"), "/* GNU ld script */").unwrap();
    insta::assert_snapshot!(check(&host, &plugin), @"library.missing: the plugin needs libextra.so.1, host glibc-2.36 has /usr/lib/ARCH-linux-gnu/libextra.so.1 for it, which cannot be loaded: not an ELF file but a linker script (GNU ld); install the library there, or link it statically");

    fs::copy(host.workshop.path("libextra.so.1"), folder.join("libextra.so.1")).unwrap();
    assert_eq!(check(&host, &plugin), "loads");
}

#[test]
fn what_a_needed_library_needs_is_searched_too() {
    let host = FakeHost::glibc("2.36");
    let folder = format!("root/lib/{ARCH}-linux-gnu");
    host.workshop.library("libinner.so.1", "void inner(void) {}", &["-Wl,-soname,libinner.so.1"]);
    let source = "void inner(void); void outer(void) { inner(); }";
    let outer = format!("{folder}/libouter.so.1");
    host.workshop.library(&outer, source, &["-Wl,-soname,libouter.so.1", "libinner.so.1"]);
    let arguments = [outer.as_str(), "-Wl,--allow-shlib-undefined"];
    let plugin = Plugin { arguments: &arguments, ..Plugin::calling(&["outer"]) };
    insta::assert_snapshot!(check(&host, &plugin), @"library.missing: libouter.so.1 needs libinner.so.1, host glibc-2.36 has no such file in /lib/ARCH-linux-gnu, /usr/lib/ARCH-linux-gnu, /lib, /usr/lib; install the library there, or link it statically");
}

#[test]
fn run_paths_are_followed_inside_the_root() {
    let host = FakeHost::glibc("2.36");
    host.workshop.library(
        "root/opt/own/libextra.so.1",
        "void extra(void) {}",
        &["-Wl,-soname,libextra.so.1"],
    );
    let found = ["root/opt/own/libextra.so.1", "-Wl,-rpath,/opt/own"];
    assert_eq!(check(&host, &Plugin { arguments: &found, ..Plugin::calling(&["extra"]) }), "loads");
    let of_origin = ["root/opt/own/libextra.so.1", "-Wl,-rpath,$ORIGIN"];
    let lost = Plugin { arguments: &of_origin, ..Plugin::calling(&["extra"]) };
    assert!(check(&host, &lost).starts_with("library.missing: "));
}

#[test]
fn run_paths_are_inherited_as_the_loaders_do() {
    let check = |host: &FakeHost, tag: &str, own: &str, libc: &str| {
        let library =
            |output: &str, source: &str, arguments: &[&str]| host.workshop.library(output, source, arguments);
        library("root/opt/inner/libinner.so.1", "void inner(void) {}", &["-Wl,-soname,libinner.so.1"]);
        let outer = format!("void inner(void); void outer(void) {{ inner(); }} /* {tag} {own} */");
        let run_path = format!("-Wl,-rpath,{own}");
        let arguments = ["-Wl,-soname,libouter.so.1", "root/opt/inner/libinner.so.1", &run_path];
        let arguments = if own.is_empty() { &arguments[..2] } else { &arguments[..] };
        let arguments = [arguments, &["-Wl,--enable-new-dtags"]].concat();
        library("root/opt/own/libouter.so.1", &outer, &arguments);
        let of_plugin = ["root/opt/own/libouter.so.1", "-Wl,-rpath,$ORIGIN:/opt/inner", tag, libc];
        let arguments = [&of_plugin[..], &["-Wl,--allow-shlib-undefined"]].concat();
        let bytes = library("plugin.so", "void outer(void); void work(void) { outer(); }", &arguments);
        let plugin = ElfFacts::parse(&bytes).expect("an ELF file");
        let path = "/opt/own/plugin.so";
        let mut reader = host.reader();
        let facts = reader.learn_at(&plugin, path);
        judge_at(&plugin, path, facts, &Policy::loader_only())
            .reasons
            .first()
            .map(|reason| reason.code.as_str())
    };
    let (rpath, runpath) = ("-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags");
    let nothing = "-Wl,--as-needed";
    let glibc = FakeHost::glibc("2.36");
    assert_eq!(check(&glibc, rpath, "", nothing), None, "RPATH is inherited");
    assert_eq!(check(&glibc, runpath, "", nothing), Some("library.missing"), "RUNPATH is its owner's alone");
    assert_eq!(
        check(&glibc, rpath, "/nowhere", nothing),
        Some("library.missing"),
        "RUNPATH switches RPATH off"
    );
    let musl = FakeHost::musl("1.2.5");
    for tag in [rpath, runpath] {
        assert_eq!(check(&musl, tag, "/nowhere", nothing), None, "musl inherits both");
    }
}

#[test]
fn libraries_that_come_in_are_judged_as_the_plugin_is() {
    let host = FakeHost::glibc("2.41");
    let folder = format!("root/lib/{ARCH}-linux-gnu");
    let extra = format!("{folder}/libextra.so.1");
    let arguments = ["-Wl,-soname,libextra.so.1", "-Wl,-z,execstack"];
    host.workshop.library(&extra, "void extra(void) {}", &arguments);
    let plugin = Plugin { arguments: &[&extra], ..Plugin::calling(&["extra"]) };
    insta::assert_snapshot!(check(&host, &plugin), @"libc.executable-stack: libextra.so.1 asks for an executable stack, host glibc-2.41 has glibc 2.41, whose dlopen grants none since 2.41; link with -z noexecstack");
    host.workshop.library(&extra, "void extra(void) {}", &[arguments[0], "-Wl,-z,nodlopen"]);
    insta::assert_snapshot!(check(&host, &plugin), @"elf.no-open: libextra.so.1 is marked as not to be opened by a running program (DF_1_NOOPEN), which glibc 2.41 of host glibc-2.41 heeds; link without -z nodlopen");
}

#[test]
fn only_glibc_heeds_filters_and_the_mark_against_default_folders() {
    let (glibc, musl) = (FakeHost::glibc("2.36"), FakeHost::musl("1.2.5"));
    let check = |host: &FakeHost, folder: &str, source: &str, argument: &str| {
        let extra = format!("{folder}/libextra.so.1");
        host.workshop.library(&extra, "void extra(void) {}", &["-Wl,-soname,libextra.so.1"]);
        let linked = if argument.contains("--") { "-Wl,--as-needed" } else { &extra };
        let told = check_loading(host, &host.workshop.library("plugin.so", source, &[linked, argument]));
        told.split(':').next().unwrap_or_default().to_owned()
    };
    let calls = "void extra(void); void work(void) { extra(); }";
    let cases = [
        (calls, "-Wl,-z,defs", "loads", "loads"),
        (calls, "-Wl,-z,nodefaultlib", "library.missing", "loads"),
        (calls, "-Wl,--filter=libextra.so.1", "loads", "symbol.undefined"),
        (calls, "-Wl,--auxiliary=libextra.so.1", "loads", "symbol.undefined"),
        ("int a;", "-Wl,--filter=libnobody.so.1", "library.missing", "loads"),
        ("int a;", "-Wl,--auxiliary=libnobody.so.1", "loads", "loads"),
    ];
    for (source, argument, of_glibc, of_musl) in cases {
        let multiarch = format!("root/lib/{ARCH}-linux-gnu");
        let told = (check(&glibc, &multiarch, source, argument), check(&musl, "root/lib", source, argument));
        assert_eq!((told.0.as_str(), told.1.as_str()), (of_glibc, of_musl), "{argument}");
    }
    let old = FakeHost::glibc("2.31");
    let folder = format!("root/lib/{ARCH}-linux-gnu");
    assert_eq!(check(&old, &folder, calls, "-Wl,--filter=libextra.so.1"), "libc.filters");
    assert_eq!(check(&old, &folder, "int a;", "-Wl,--auxiliary=libnobody.so.1"), "loads");
}

#[test]
fn musl_takes_every_c_library_for_itself() {
    let musl = FakeHost::musl("1.2.5");
    let check = |source: &str| {
        let script = musl.workshop.write("libc.map", "GLIBC_2.17 { global: *; };");
        let script = format!("-Wl,--version-script={}", script.display());
        let bytes = musl.workshop.library("libc-2.36.so", source, &[&script]);
        let facts = ElfFacts::parse(&bytes).expect("an ELF file");
        let verdict = judge(&facts, &musl.facts_for(&facts), &Policy::loader_only());
        verdict.reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>()
    };
    let lacking = "void nobody(void); void work(void) { nobody(); }";
    assert_eq!(check(lacking), ["symbol.undefined"]);
    assert_eq!(check(&format!("int stdin; void __libc_start_main(void) {{}} {lacking}")), [""; 0]);
}

#[test]
fn musl_does_not_find_what_a_version_hides() {
    let source = r#"__asm__(".symver old,own@FIRST"); __asm__(".symver reference,own@FIRST");
        void old(void) {} void reference(void); void *pointer = (void *)reference; void nobody(void) {}"#;
    let check = |host: &FakeHost| {
        let script = host.workshop.write("own.map", "FIRST { global: nobody; }; SECOND {} FIRST;");
        let script = format!("-Wl,--version-script={}", script.display());
        check_loading(host, &host.workshop.library("own.so", source, &[&script]))
    };
    assert_eq!(check(&FakeHost::glibc("2.36")), "loads");
    insta::assert_snapshot!(check(&FakeHost::musl("1.2.5")), @"symbol.undefined: the plugin refers to its own symbol own by a version that is not the default one, and musl 1.2.5 of host musl-1.2.5 steps over such; bind it when linking (-Bsymbolic), or make it the default version");
}

#[test]
fn static_tls_is_counted() {
    let host = FakeHost::glibc("2.36");
    let check = |size: u32| {
        let source = format!("__thread char own[{size}]; char *work(void) {{ return own; }}");
        check_loading(&host, &host.workshop.library("tls.so", &source, &["-ftls-model=initial-exec"]))
    };
    assert_eq!(check(1600), "loads");
    insta::assert_snapshot!(check(2000), @"libc.static-tls: the plugin's thread-local variables are of the initial-exec model and take 2000 bytes, glibc 2.36 of host glibc-2.36 has 1664 left once the program runs; compile without -ftls-model=initial-exec");
}

#[test]
fn libraries_without_versions_and_with_too_old_ones() {
    let host = FakeHost::glibc("2.36");
    let library = format!("root/lib/{ARCH}-linux-gnu/libextra.so.1");
    let versioned = |version: &str| {
        let script = host.workshop.write("extra.map", format!("{version} {{ global: extra; }};"));
        format!("-Wl,--version-script={}", script.display())
    };
    let soname = "-Wl,-soname,libextra.so.1";
    host.workshop.library("libextra.so.1", "void extra(void) {}", &[soname, &versioned("EXTRA_2")]);
    let plugin = Plugin { arguments: &["libextra.so.1"], ..Plugin::calling(&["extra"]) };

    host.workshop.library(&library, "void extra(void) {}", &[soname, &versioned("EXTRA_1")]);
    insta::assert_snapshot!(check(&host, &plugin), @"library.symbol-version: the plugin needs EXTRA_2 of libextra.so.1 (symbol extra), host glibc-2.36 has that library with EXTRA_1; install the version it was linked with, or link with the host's");
    host.workshop.library(&library, "void extra(void) {}", &[soname]);
    insta::assert_snapshot!(check(&host, &plugin), @"library.unversioned: the plugin asks for versions of libextra.so.1 (symbol extra), which has none on host glibc-2.36, and its glibc 2.36 ends the process over that; install the library that it was linked with");
    let newer = FakeHost::glibc("2.41");
    newer.workshop.library(&library, "void extra(void) {}", &[soname]);
    newer.workshop.library("libextra.so.1", "void extra(void) {}", &[soname, &versioned("EXTRA_2")]);
    assert_eq!(check(&newer, &plugin), "loads");
}

#[test]
fn the_contract_is_compared() {
    let host = FakeHost::glibc("2.36");
    let note = Note::of_handler();
    let (major, minor) = note.abi;
    assert_eq!(check(&host, &Plugin::with_note(Note { abi: (major, 0), ..note })), "loads");
    insta::assert_snapshot!(check(&host, &Plugin::with_note(Note { abi: (major + 1, 0), ..note })), @"abi.major: the plugin is built for ABI 2.0, host glibc-2.36 speaks 1.1; build it against ABI 1");
    insta::assert_snapshot!(check(&host, &Plugin::with_note(Note { abi: (major, minor + 1), ..note })), @"abi.minor: the plugin is built for ABI 1.2, host glibc-2.36 speaks 1.1; renew the host, or build the plugin against ABI 1.1");
    let none = Plugin { source: "const int dynlab_plugin[8];".to_owned(), ..Plugin::good() };
    insta::assert_snapshot!(check(&host, &none), @"note.missing: the plugin carries no note of the contract, host glibc-2.36 loads plugins of ABI 1.1; build it with plugin-sdk (or the C header) and keep its .note sections");
    let garbled = Plugin {
        source: format!("{}\nconst int dynlab_plugin[8];", note_source(&note.bytes()[..100])),
        ..Plugin::good()
    };
    insta::assert_snapshot!(check(&host, &garbled), @"note.garbled: host glibc-2.36 cannot read the plugin's note: the note at offset 0 runs past the end of its segment; build it with plugin-sdk (or the C header)");
    let no_entry = Plugin { source: note_source(&note.bytes()), ..Plugin::good() };
    insta::assert_snapshot!(check(&host, &no_entry), @"entry.missing: the plugin's note names dynlab_plugin as its entry but the file does not export it, and host glibc-2.36 starts there; export it with plugin-sdk's macro and keep it when stripping");
}

#[test]
fn the_kind_is_compared_when_one_is_wanted() {
    let host = FakeHost::glibc("2.36");
    let handler = Plugin::good().build(&host);
    let unknown = Plugin::with_note(Note { kind: 77, ..Note::of_handler() }).build(&host);
    let first = |bytes: &[u8], policy| reasons(&host, bytes, &policy).first().map(Reason::to_string);
    assert_eq!(first(&handler, Policy::kind(Kind::Handler)), None);
    insta::assert_snapshot!(first(&handler, Policy::kind(Kind::Cache)).unwrap(), @"abi.kind: the plugin is a handler, host glibc-2.36 wants a cache here; configure it where its kind belongs");
    insta::assert_snapshot!(first(&unknown, Policy::any_kind()).unwrap(), @"abi.kind: the plugin's kind has the number 77, which host glibc-2.36 does not know; renew the host");
}

#[test]
fn any_library_is_judged_when_no_contract_is_asked_for() {
    let host = FakeHost::glibc("2.36");
    let plain = Plugin { source: "void work(void) {}".to_owned(), ..Plugin::good() }.build(&host);
    assert_eq!(reasons(&host, &plain, &Policy::loader_only()), []);
}

#[test]
fn a_plugin_whose_panics_end_the_host_needs_to_be_allowed() {
    let host = FakeHost::glibc("2.36");
    let plugin = |profile| Plugin::with_note(Note { profile, ..Note::of_handler() }).build(&host);
    insta::assert_snapshot!(check_bytes(&host, &plugin("release+abort")), @r#"panic.abort: the plugin is built with panic = "abort" (release+abort), so a panic in it would end host glibc-2.36; build it with panic = "unwind", or allow that with --allow-abort"#);
    assert!(check_bytes(&host, &plugin("debug+abort")).starts_with("panic.abort: "));
    assert_eq!([check_bytes(&host, &plugin("abort")), check_bytes(&host, &plugin(""))], ["loads", "loads"]);
    // Whoever does not care for the contract does not hear of it.
    assert_eq!(check_loading(&host, &plugin("release+abort")), "loads");

    let allowing = Policy::any_kind().allowing_abort(true);
    let verdict = |profile| {
        let facts = ElfFacts::parse(&plugin(profile)).unwrap();
        judge(&facts, &host.facts_for(&facts), &allowing)
    };
    let aborting = verdict("release+abort");
    assert!(aborting.loadable, "{:?}", aborting.reasons);
    insta::assert_snapshot!(aborting.remarks.join("\n"), @r#"a panic in it ends this process; build it with panic = "unwind""#);
    assert_eq!(verdict("release").remarks, [""; 0]);
}

#[test]
fn executables_and_static_hosts_are_refused() {
    let host = FakeHost::glibc("2.36");
    let compile = |output: &str, arguments: &[&str]| {
        let all: Vec<&str> = [&BARE[..], arguments].concat();
        let source = format!("{}\nvoid _start(void) {{}}", Note::of_handler().plugin_source());
        fs::read(host.workshop.compile(output, &source, &all)).unwrap()
    };
    let first = |bytes: &[u8]| check_bytes(&host, bytes).lines().next().unwrap().to_owned();
    insta::assert_snapshot!(first(&compile("static", &["-static", "-no-pie"])), @"elf.type: the plugin is a static executable, hosts load shared libraries; build a cdylib (or cc -shared)");
    insta::assert_snapshot!(first(&compile("static-pie", &["-static-pie"])), @"elf.type: the plugin is a static position-independent executable, hosts load shared libraries; build a cdylib (or cc -shared)");
    insta::assert_snapshot!(first(&compile("pie", &["-pie", "-Wl,-dynamic-linker,/lib64/ld.so"])), @"elf.type: the plugin is a position-independent executable, hosts load shared libraries; build a cdylib (or cc -shared)");
    insta::assert_snapshot!(first(&compile("object.o", &["-c"])), @"elf.type: the plugin is a relocatable object (.o), not linked yet, hosts load shared libraries; link it (cc -shared)");

    let library = Plugin::good().build(&host);
    insta::assert_snapshot!(check_bytes(&FakeHost::of_static_program(), &library), @"host.static: the program of static is linked statically and has no loader; build it as a dynamic executable (for musl: -C target-feature=-crt-static)");
}

/// Recorded: musl 1.2.2 to 1.2.5 open each of these but the static one; glibc 2.36 and 2.41 what is not marked as a program and lies at no fixed address.
#[test]
fn programs_are_opened_by_loaders_that_do_not_tell_them_from_libraries() {
    let (glibc, musl) = (FakeHost::glibc("2.36"), FakeHost::musl("1.2.5"));
    let codes = |host: &FakeHost, file: &[u8]| -> Vec<&str> {
        reasons(host, file, &Policy::loader_only()).iter().map(|reason| reason.code.as_str()).collect()
    };
    let compile = |host: &FakeHost, source: &str, arguments: &[&str]| {
        let source = format!("{source} void _start(void) {{ work(); }}");
        fs::read(host.workshop.compile("a-program", &source, &[&BARE[..], arguments].concat())).unwrap()
    };
    let musl_libc = format!("root/lib/ld-musl-{ARCH}.so.1");
    let interpreter = format!("-Wl,-dynamic-linker,/lib/ld-musl-{ARCH}.so.1");
    let calls = "void base_call(void); void work(void) { base_call(); }";
    for kind in ["-pie", "-no-pie"] {
        let program = compile(&musl, calls, &[kind, &interpreter, &musl_libc]);
        assert_eq!(codes(&musl, &program), ["elf.program"], "{kind}");
        assert_eq!(codes(&glibc, &program), ["elf.type", "libc.family"], "{kind}");
    }
    let alone = "void work(void) {}";
    let static_pie = compile(&musl, alone, &["-static-pie"]);
    assert_eq!(
        (codes(&musl, &static_pie), codes(&glibc, &static_pie)),
        (vec!["elf.program"], vec!["elf.type"])
    );
    let fixed = compile(&musl, alone, &["-static", "-no-pie"]);
    assert_eq!((codes(&musl, &fixed), codes(&glibc, &fixed)), (vec!["elf.type"], vec!["elf.type"]));

    // The loader goes on, and so does the judge.
    let soname = "-Wl,-soname,libextra.so.1";
    musl.workshop.library("libextra.so.1", "void extra(void) {}", &[soname]);
    musl.workshop.library("root/lib/libextra.so.1", "int other;", &[soname]);
    let lacking = "void extra(void); void work(void) { extra(); }";
    let lacking = compile(&musl, lacking, &["-pie", &interpreter, "libextra.so.1", &musl_libc]);
    assert_eq!(codes(&musl, &lacking), ["elf.program", "symbol.undefined"]);

    let runnable = r#"const char interpreter[] __attribute__((section(".interp"))) = "/lib/ld.so"; int a;"#;
    let runnable = glibc.workshop.library("runnable.so", runnable, &[]);
    insta::assert_snapshot!(check_loading(&glibc, &runnable), @"elf.program: the plugin is a position-independent executable, which glibc 2.36 of host glibc-2.36 takes for a shared library, but nothing in it is meant to be called; build a cdylib (or cc -shared)");
}

#[test]
fn what_the_program_exports_comes_before_what_libraries_define() {
    const EXTRA: &str = "void extra(void) {}";
    const NO_VERSIONS: &str = "{ global: *; };";
    let check = |host: FakeHost, folder: &str, of_program: Option<&str>, in_host: (&str, &str)| {
        let build = |output: &str, source: &str, versions: &str| {
            let script = host.workshop.write("versions.map", versions);
            let script = format!("-Wl,--version-script={}", script.display());
            host.workshop.library(output, source, &["-Wl,-soname,libextra.so.1", &script]);
        };
        build("libextra.so.1", EXTRA, "EXTRA_2 { global: extra; };");
        let calls = "void extra(void); void work(void) { extra(); }";
        let plugin = host.workshop.library("plugin.so", calls, &["libextra.so.1"]);
        build(&format!("{folder}/libextra.so.1"), in_host.0, in_host.1);
        let versions = host.workshop.write("program.map", of_program.unwrap_or(NO_VERSIONS));
        let versions = format!("-Wl,--version-script={}", versions.display());
        let host = host.whose_program_has(of_program.map_or("", |_| EXTRA), &[&versions]);
        check_loading(&host, &plugin).split(':').next().unwrap_or_default().to_owned()
    };
    let without_versions = (EXTRA, NO_VERSIONS);
    let without_symbol = ("void other(void) {}", "EXTRA_2 { global: other; };");
    let (none, plain) = (None, Some(NO_VERSIONS));
    let (same, another) = (Some("EXTRA_2 { global: extra; };"), Some("ANOTHER { global: extra; };"));
    let cases = [
        (none, without_versions, "library.unversioned", "loads"),
        (plain, without_versions, "loads", "loads"),
        (same, without_versions, "loads", "loads"),
        // glibc compares versions, musl names only.
        (another, without_versions, "library.unversioned", "loads"),
        (none, without_symbol, "symbol.undefined", "symbol.undefined"),
        (plain, without_symbol, "loads", "loads"),
        (same, without_symbol, "loads", "loads"),
        (another, without_symbol, "symbol.undefined", "loads"),
    ];
    let multiarch = format!("root/lib/{ARCH}-linux-gnu");
    for (of_program, in_host, of_glibc, of_musl) in cases {
        let told = (
            check(FakeHost::glibc("2.36"), &multiarch, of_program, in_host),
            check(FakeHost::musl("1.2.5"), "root/lib", of_program, in_host),
        );
        assert_eq!((told.0.as_str(), told.1.as_str()), (of_glibc, of_musl), "{of_program:?} {in_host:?}");
    }
}

#[test]
fn the_other_libc_is_refused_both_ways() {
    let glibc_host = FakeHost::glibc("2.36");
    let musl_host = FakeHost::musl("1.2.5");
    insta::assert_snapshot!(check(&musl_host, &Plugin::calling(&["base_call", "call_of_36"])), @r"
    libc.family: the plugin is built for glibc, host musl-1.2.5 runs on musl 1.2.5; build it for ARCH-unknown-linux-musl
    symbol.undefined: the plugin needs the symbol call_of_36@GLIBC_2.36, which neither the program of musl-1.2.5 nor a needed library defines; link the library that defines it
    ");

    let musl_libc = format!("root/lib/ld-musl-{ARCH}.so.1");
    let arguments = [musl_libc.as_str()];
    let for_musl = Plugin {
        source: Note { target: "x86_64-unknown-linux-musl", ..Note::of_handler() }.plugin_source()
            + "void base_call(void); void work(void) { base_call(); }",
        arguments: &arguments,
        libc: false,
    };
    let bytes = for_musl.build(&musl_host);
    assert_eq!(check_bytes(&musl_host, &bytes), "loads");
    insta::assert_snapshot!(check_bytes(&glibc_host, &bytes), @r"
    libc.family: the plugin is built for musl, host glibc-2.36 runs on glibc 2.36; build it for ARCH-unknown-linux-gnu
    library.missing: the plugin needs libc.so, host glibc-2.36 has no such file in /lib/ARCH-linux-gnu, /usr/lib/ARCH-linux-gnu, /lib, /usr/lib; install the library there, or link it statically
    ");
}

#[test]
fn musl_binds_by_its_own_rules() {
    let (old, new) = (FakeHost::musl("1.2.3"), FakeHost::musl("1.2.5"));
    let check = |host: &FakeHost, source: &str, arguments: &[&str]| {
        check_loading(host, &host.workshop.library("library.so", source, arguments))
    };
    // The stub defines open and not open64, as musl does since 1.2.4.
    let large_file = "void open64(void); void work(void) { open64(); }";
    assert_eq!(check(&new, large_file, &[]), "loads");
    assert!(check(&old, large_file, &[]).starts_with("symbol.undefined: "));
    let not_large_file = "void base_call64(void); void work(void) { base_call64(); }";
    assert!(check(&new, not_large_file, &[]).starts_with("symbol.undefined: "));

    let initial_exec = "__thread int own; int *work(void) { return &own; }";
    let model = ["-ftls-model=initial-exec"];
    insta::assert_snapshot!(check(&new, initial_exec, &model), @"libc.static-tls: the plugin's thread-local variables are of the initial-exec model, for which musl 1.2.5 of host musl-1.2.5 has no room once the program runs; compile without -ftls-model=initial-exec");
    let indirect = r#"static int one(void) { return 1; } static void *pick(void) { return one; }
        int work(void) __attribute__((ifunc("pick"))); int (*pointer)(void) = work;"#;
    insta::assert_snapshot!(check(&new, indirect, &[]), @"libc.indirect-functions: the plugin chooses functions when it is loaded (GNU indirect functions), which musl 1.2.5 of host musl-1.2.5 cannot bind; compile without ifunc and target_clones attributes");
    let glibc = FakeHost::glibc("2.36");
    assert_eq!([check(&glibc, initial_exec, &model), check(&glibc, indirect, &[])], ["loads", "loads"]);
}

#[test]
fn loaders_lack_what_came_later_or_went_away() {
    let executable_stack = Plugin { arguments: &["-Wl,-z,execstack"], ..Plugin::good() };
    let host = FakeHost::glibc("2.40");
    assert_eq!(check(&host, &executable_stack), "loads");
    insta::assert_snapshot!(check(&FakeHost::glibc("2.41"), &executable_stack), @"libc.executable-stack: the plugin asks for an executable stack, host glibc-2.41 has glibc 2.41, whose dlopen grants none since 2.41; link with -z noexecstack");

    // Not every linker knows DT_RELR yet: the tag of an entry nobody misses is changed into it.
    let packed = |host: &FakeHost| {
        let mut bytes = host.workshop.library("library.so", "int a;", &["-Wl,--hash-style=both"]);
        let (dt_hash, dt_relr) = (0x4u64.to_le_bytes(), 36u64.to_le_bytes());
        let dynamic = dynamic_table(&bytes);
        let tag = dynamic.step_by(16).find(|at| bytes[*at..at + 8] == dt_hash).expect("a hash table");
        bytes[tag..tag + 8].copy_from_slice(&dt_relr);
        check_loading(host, &bytes)
    };
    insta::assert_snapshot!(packed(&FakeHost::glibc("2.31")), @"libc.packed-relocations: the plugin's relocations are packed (DT_RELR), host glibc-2.31 has glibc 2.31, which reads them from 2.36 on; link with -z nopack-relative-relocs");
    insta::assert_snapshot!(packed(&FakeHost::musl("1.2.3")), @"libc.packed-relocations: the plugin's relocations are packed (DT_RELR), host musl-1.2.3 has musl 1.2.3, which reads them from 1.2.4 on; link with -z nopack-relative-relocs");
    assert_eq!([packed(&FakeHost::glibc("2.36")), packed(&FakeHost::musl("1.2.5"))], ["loads", "loads"]);
}

/// Recorded: glibc 2.31, 2.36 and 2.41, musl 1.2.2 to 1.2.5, each with files whose headers were changed so.
#[test]
fn segments_lie_at_pages() {
    let hosts = [FakeHost::glibc("2.31"), FakeHost::glibc("2.36"), FakeHost::musl("1.2.5")];
    let library = hosts[0].workshop.library(
        "library.so",
        "int number = 7;",
        &["-Wl,-z,max-page-size=4096,-Tdata=0x21000"],
    );
    let with = |field: usize, change: &dyn Fn(u64) -> u64| {
        let mut bytes = library.clone();
        for at in (64..64 + 56 * usize::from(library[56])).step_by(56).filter(|at| library[*at] == 1) {
            let old = u64::from_le_bytes(library[at + field..at + field + 8].try_into().unwrap());
            bytes[at + field..at + field + 8].copy_from_slice(&change(old).to_le_bytes());
        }
        hosts.each_ref().map(|host| check_loading(host, &bytes) == "loads")
    };
    // p_align, then p_offset of the last segment, then segments that share a page.
    assert_eq!(with(48, &|_| 4096), [true, true, true]);
    assert_eq!(with(48, &|_| 64), [false, true, true]);
    assert_eq!(with(48, &|_| 0), [false, true, true]);
    assert_eq!(with(48, &|_| 1 << 40), [false, true, true]);
    let last = (64..64 + 56 * usize::from(library[56])).step_by(56).rfind(|at| library[*at] == 1).unwrap();
    let mut moved = library.clone();
    moved[last + 8] ^= 64;
    assert_eq!(hosts.each_ref().map(|host| check_loading(host, &moved) == "loads"), [false, false, true]);
    let small = ["-Wl,-z,max-page-size=64,-z,common-page-size=64,-z,noseparate-code"];
    let packed = hosts[0].workshop.library("packed.so", "int number = 7; int *pointer = &number;", &small);
    let told = hosts.each_ref().map(|host| check_loading(host, &packed));
    assert!(told[2].starts_with("elf.malformed: "), "{}", told[2]);
    insta::assert_snapshot!(told[1], @"elf.malformed: the plugin's segments do not lie as pages of 4096 bytes need it, by which glibc 2.36 of host glibc-2.36 maps them; link it with -z max-page-size=4096 or more, and strip it with newer tools or not at all");
}

/// As glibc does; seen of 2.36 and 2.41 with files for levels that no processor has.
#[test]
fn levels_of_processors_are_compared() {
    // Other processors have none.
    if ARCH != "x86_64" {
        return;
    }
    let check = |host: &FakeHost, file: &[u8], level: Option<u8>| {
        let facts = ElfFacts::parse(file).expect("an ELF file");
        let mut host = host.facts_for(&facts);
        host.x86_64_level = level;
        let verdict = judge(&facts, &host, &Policy::loader_only());
        (told(&verdict.reasons), verdict.remarks.len())
    };
    let (host, old, musl) = (FakeHost::glibc("2.36"), FakeHost::glibc("2.32"), FakeHost::musl("1.2.5"));
    // Without what some distributions' compilers mark files with by themselves.
    let unmarked = "-fcf-protection=none";
    let library = |levels: u32| host.workshop.library("levels.so", &level_source(levels), &[unmarked]);
    let (third, fifth) = (library(0b111), library(0b1_0000));
    let loads = |remarks: usize| ("loads".to_owned(), remarks);
    assert_eq!(check(&host, &library(0b1), Some(1)), loads(0));
    assert_eq!(check(&host, &third, Some(3)), loads(1));
    assert_eq!(check(&host, &third, None), loads(1));
    let (refused, remarks) = check(&host, &third, Some(2));
    assert_eq!(remarks, 0);
    insta::assert_snapshot!(refused, @"libc.processor-level: the plugin is marked as made for processors of level x86-64-v3, host glibc-2.36 runs on one of level x86-64-v2, and glibc 2.36 heeds that; compile with -march=x86-64");
    for level in [None, Some(4)] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(check(&host, &fifth, level).0, @"libc.processor-level: the plugin is marked as made for processors of level x86-64-v5, host glibc-2.36 knows levels up to x86-64-v4, and glibc 2.36 heeds that; compile with -march=x86-64");
        }
    }
    for heedless in [old, musl] {
        assert_eq!(check(&heedless, &fifth, Some(1)), loads(1));
    }

    let extra = "root/lib/x86_64-linux-gnu/libextra.so.1";
    let source = format!("void extra(void) {{}} {}", level_source(0b11));
    host.workshop.library(extra, &source, &["-Wl,-soname,libextra.so.1", unmarked]);
    let calls = "void extra(void); void work(void) { extra(); }";
    let plugin = host.workshop.library("plugin.so", calls, &[extra, unmarked]);
    let (refused, _) = check(&host, &plugin, Some(1));
    assert!(refused.starts_with("libc.processor-level: libextra.so.1 is marked"), "{refused}");
    assert_eq!(check(&host, &plugin, Some(2)), loads(0));
}

#[test]
fn what_does_not_prevent_loading_is_remarked() {
    let host = FakeHost::glibc("2.36");
    let remarks = |library: &[u8]| {
        let facts = ElfFacts::parse(library).expect("an ELF file");
        let verdict = judge(&facts, &host.facts_for(&facts), &Policy::loader_only());
        assert!(verdict.loadable, "{:?}", verdict.reasons);
        verdict.remarks.join("\n")
    };
    let plain = host.workshop.library("plain.so", "int a;", &[]);
    assert_eq!(remarks(&plain), "");
    let cut = remarks(&plain[..plain.len() - 1]);
    assert!(cut.starts_with("the section header table ends at byte"), "{cut}");
    let source = "__thread int own; int *work(void) { return &own; }";
    let initial_exec = host.workshop.library("tls.so", source, &["-ftls-model=initial-exec"]);
    insta::assert_snapshot!(remarks(&initial_exec), @"thread-local variables are of the initial-exec model, for which glibc keeps little room once the program runs; compile without -ftls-model=initial-exec");
}

#[test]
fn other_processors_and_word_sizes_are_refused() {
    let host = FakeHost::glibc("2.36");
    let plugin = Plugin::good().build(&host);
    let patched = |at: usize, value: u8| {
        let mut bytes = plugin.clone();
        bytes[at] = value;
        check_bytes(&host, &bytes)
    };
    assert!(patched(4, 1).starts_with("elf.class: the plugin is 32-bit"), "{}", patched(4, 1));
    assert!(patched(5, 2).starts_with("elf.endianness: the plugin is big-endian"), "{}", patched(5, 2));
    assert!(patched(18, 243).starts_with("elf.machine: the plugin is for riscv"), "{}", patched(18, 243));
    assert!(patched(7, 9).starts_with("elf.os-abi: "), "{}", patched(7, 9));
    assert!(patched(8, 7).starts_with("elf.os-abi: "), "{}", patched(8, 7));
    assert_eq!(patched(7, 3), "loads");
    for flawed in [6, 10, 20] {
        assert!(patched(flawed, 9).starts_with("elf.malformed: the plugin's ELF header is damaged"));
    }
}

#[test]
fn codes_keep_their_strings() {
    for code in Code::ALL {
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
    let unknown = "elf.sideways".parse::<Code>().unwrap_err();
    insta::assert_snapshot!(unknown, @r#""elf.sideways" is no verdict code; the codes are listed in plugin_compat::Code"#);
}
