//! The judge predicts what this machine's own loader does.

use std::fs;
use std::process::Command;

use plugin_compat::{ElfFacts, HostReader, Layer, Policy, judge_at};

use crate::toolchain::{Workshop, level_source};

/// Opens the file it is given as plugins are opened, and says why not.
pub(crate) const HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int offered_by_host = 7;
void host_function(void) {}
int interposed(void) { return 7; }
int main(int argc, char **argv) {
    (void)argc;
    if (dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) return 0;
    fprintf(stderr, "%s\n", dlerror());
    return 1;
}
"#;

/// Libraries that others need, with their sources and arguments.
const NEEDED: [(&str, &str, &[&str]); 9] = [
    ("libclosed.so", "int closed;", &["-Wl,-z,nodlopen"]),
    ("libthread.so", "__thread int elsewhere[100];", &[]),
    ("inner/libinner.so", "int inner(void) { return 1; }", &[]),
    ("libouter.so", "int inner(void); int outer(void) { return inner(); }", &["-Linner", "-linner"]),
    (
        "libhidden.so",
        r#"__asm__(".symver old,hidden@FIRST"); __asm__(".symver new,hidden@@SECOND"); int old(void) { return 1; } int new(void) { return 2; }"#,
        &["-Wl,--version-script=hidden.map"],
    ),
    ("libversion.so", "int versioned(void) { return 1; }", &["-Wl,--version-script=newer.map"]),
    ("libinterposed.so", "int interposed(void) { return 1; }", &["-Wl,--version-script=interposed.map"]),
    ("inner/libplaced.so", "int placed(void) { return 1; }", &["-Wl,-soname,$ORIGIN/inner/libplaced.so"]),
    // Where glibc looks for it on newer processors only.
    ("glibc-hwcaps/x86-64-v2/libfaster.so", "int faster(void) { return 1; }", &[]),
];

/// Version scripts by the names that arguments give them.
const VERSION_SCRIPTS: [(&str, &str); 4] = [
    ("hidden.map", "FIRST {}; SECOND { global: hidden; } FIRST;"),
    ("newer.map", "NEWER { global: versioned; };"),
    ("older.map", "OLDER { global: versioned; };"),
    ("interposed.map", "FIRST { global: interposed; };"),
];

/// Sources and link arguments of libraries, and whether they load in a program that exports the three names above.
const LIBRARIES: [(&str, &str, &[&str], bool); 36] = [
    ("plain", "int a;", &[], true),
    ("libc", "#include <stdio.h>\nvoid work(void) { puts(\"a\"); }", &[], true),
    ("math", "#include <math.h>\ndouble work(double x) { return fmod(x, 2); }", &["-lm"], true),
    ("without-math", "double fmod(double, double); double work(double x) { return fmod(x, x); }", &[], false),
    (
        "host-symbols",
        "extern int offered_by_host; void host_function(void); int *p = &offered_by_host; void work(void) { host_function(); }",
        &[],
        true,
    ),
    ("undefined-function", "void nobody(void); void work(void) { nobody(); }", &[], false),
    ("undefined-object", "extern int nobody; int *p = &nobody;", &[], false),
    (
        "undefined-weak",
        "__attribute__((weak)) void nobody(void); void work(void) { if (nobody) nobody(); }",
        &[],
        true,
    ),
    ("undefined-thread-local", "extern __thread int nobody; int *work(void) { return &nobody; }", &[], false),
    ("needs-absent", "void absent(void); void work(void) { absent(); }", &["libabsent.so"], false),
    ("thread-local", "__thread int own[8]; int *work(void) { return own; }", &[], true),
    (
        "indirect",
        "static int one(void) { return 1; } static void *pick(void) { return one; } int f(void) __attribute__((ifunc(\"pick\")));",
        &[],
        true,
    ),
    ("not-to-be-opened", "int a;", &["-Wl,-z,nodlopen"], false),
    ("needs-closed", "extern int closed; int *p = &closed;", &["-lclosed", ORIGIN], false),
    (
        "thread-local-elsewhere",
        "extern __thread int elsewhere[]; int *work(void) { return elsewhere; }",
        &["-lthread", ORIGIN],
        true,
    ),
    (
        "initial-exec",
        "__thread int own[8]; int *work(void) { return own; }",
        &["-ftls-model=initial-exec"],
        true,
    ),
    (
        "large-initial-exec",
        "__thread int own[10000]; int *work(void) { return own; }",
        &["-ftls-model=initial-exec"],
        false,
    ),
    ("no-run-path", OUTER, &["-louter", INNER_LINK], false),
    ("run-path-of-its-own", OUTER, &["-louter", INNER_LINK, BOTH, "-Wl,--enable-new-dtags"], false),
    ("inherited-run-path", OUTER, &["-louter", INNER_LINK, BOTH, "-Wl,--disable-new-dtags"], true),
    (
        "inherited-twice",
        "int inner(void); int work(void) { return inner(); }",
        &["-Linner", "-linner", "-Wl,-rpath,${ORIGIN}/inner:/nowhere"],
        true,
    ),
    (
        "hidden-version",
        r#"__asm__(".symver hidden,hidden@FIRST"); int hidden(void); int work(void) { return hidden(); }"#,
        &["-lhidden", ORIGIN],
        true,
    ),
    ("default-version", "int hidden(void); int work(void) { return hidden(); }", &["-lhidden", ORIGIN], true),
    (
        "version-that-went",
        "int versioned(void); int work(void) { return versioned(); }",
        &["-lversion", ORIGIN],
        false,
    ),
    // Without the program's own, a glibc of before 2.41 would end the process over the library.
    (
        "versions-that-went-and-a-symbol-of-the-program",
        "int interposed(void); int work(void) { return interposed(); }",
        &["-linterposed", ORIGIN],
        true,
    ),
    // What older linkers made programs look like, too.
    (
        "runnable",
        r#"const char interpreter[] __attribute__((section(".interp"))) = "/lib/ld.so"; int a;"#,
        &[],
        true,
    ),
    ("old-hash-table", "int a; int *p = &a;", &["-Wl,--hash-style=sysv"], true),
    (
        "small-pages",
        "int a; int *p = &a;",
        &["-Wl,-z,max-page-size=64,-z,common-page-size=64,-z,noseparate-code"],
        false,
    ),
    ("new-hash-table", "int a; int *p = &a;", &["-Wl,--hash-style=gnu"], true),
    (
        "no-default-folders",
        "#include <math.h>\ndouble work(double x) { return fmod(x, 2); }",
        &["-lm", "-Wl,-z,nodefaultlib"],
        false,
    ),
    (
        "run-path-and-no-default-folders",
        "extern __thread int elsewhere[]; int *work(void) { return elsewhere; }",
        &["-lthread", ORIGIN, "-Wl,-z,nodefaultlib"],
        true,
    ),
    ("filter", INNER, &["-Wl,--filter=libinner.so", "-Wl,-rpath,$ORIGIN/inner"], true),
    ("filter-of-nobody", "int a;", &["-Wl,--filter=libnobody.so.1"], false),
    ("auxiliary", INNER, &["-Wl,--auxiliary=libinner.so", "-Wl,-rpath,$ORIGIN/inner"], true),
    ("auxiliary-of-nobody", "int a;", &["-Wl,--auxiliary=libnobody.so.1"], true),
    (
        "needs-by-place",
        "int placed(void); int work(void) { return placed(); }",
        &["-Linner", "-lplaced"],
        true,
    ),
];

/// What loads or does not, as the processor and the age of the C library will have it: names, sources and link arguments.
fn up_to_the_machine() -> Vec<(String, String, &'static [&'static str])> {
    let faster = "int faster(void); int work(void) { return faster(); }".to_owned();
    let mut libraries: Vec<(String, String, &[&str])> =
        vec![("faster".to_owned(), faster, &["-Lglibc-hwcaps/x86-64-v2", "-lfaster", ORIGIN])];
    if cfg!(target_arch = "x86_64") {
        // The fifth level is that of no processor.
        let level = |level: u32| (format!("level-{level}"), level_source((1 << level) - 1), &[][..]);
        libraries.extend((1..=5).map(level));
    }
    libraries
}

const INNER: &str = "int inner(void); int work(void) { return inner(); }";
const OUTER: &str = "int outer(void); int work(void) { return outer(); }";
const ORIGIN: &str = "-Wl,-rpath,$ORIGIN";
const BOTH: &str = "-Wl,-rpath,$ORIGIN:$ORIGIN/inner";
const INNER_LINK: &str = "-Wl,-rpath-link,inner";

#[test]
fn judge_and_loader_agree() {
    let workshop = Workshop::new();
    let host = workshop.compile("host", HOST, &["-rdynamic", "-ldl"]);
    let program = ElfFacts::parse(&fs::read(&host).expect("the host")).expect("an ELF file");
    let reader = HostReader::open("/".as_ref(), "this-machine", program).expect("this machine's facts");
    let mut reader = reader.on_this_processor();
    for (name, script) in VERSION_SCRIPTS {
        workshop.write(name, script);
    }
    for (name, source, arguments) in NEEDED {
        let soname = format!("-Wl,-soname,{}", name.rsplit('/').next().expect("a name"));
        let arguments = [&["-shared", "-fPIC", &soname], arguments].concat();
        workshop.compile(name, source, &arguments);
    }
    // Linked with, and then gone.
    let absent = workshop.compile("libabsent.so", "void absent(void) {}", &["-shared", "-fPIC"]);
    let compile = |name: &str, source: &str, arguments: &[&str]| {
        let arguments = [&["-shared", "-fPIC", "-L."], arguments].concat();
        workshop.compile(&format!("{name}.so"), source, &arguments)
    };
    let known = LIBRARIES
        .iter()
        .map(|(name, source, arguments, loads)| (compile(name, source, arguments), Some(*loads)));
    let machine = up_to_the_machine();
    let of_machine = machine.iter().map(|(name, source, arguments)| (compile(name, source, arguments), None));
    let libraries: Vec<_> = known.chain(of_machine).collect();
    fs::remove_file(absent).expect("the library goes");
    let older = ["-shared", "-fPIC", "-Wl,-soname,libversion.so", "-Wl,--version-script=older.map"];
    workshop.compile("libversion.so", "int versioned(void) { return 1; }", &older);
    let without_versions = ["-shared", "-fPIC", "-Wl,-soname,libinterposed.so"];
    workshop.compile("libinterposed.so", "int interposed(void) { return 1; }", &without_versions);
    for (library, loads) in libraries {
        let bytes = fs::read(&library).expect("what cc wrote");
        let facts = ElfFacts::parse(&bytes).expect("an ELF file");
        let path = library.canonicalize().expect("it is there");
        let path = path.to_str().expect("a path of letters");
        let verdict = judge_at(&facts, path, reader.learn_at(&facts, path), &Policy::loader_only());
        let observed = Command::new(&host).arg(&library).output().expect("the host runs");
        let loader_says = String::from_utf8_lossy(&observed.stderr);
        let loads = loads.unwrap_or(observed.status.success());
        let is_stopped = verdict.reasons.iter().any(|reason| reason.code.layer() == Layer::Loader);
        assert_eq!(
            (!is_stopped, observed.status.success()),
            (loads, loads),
            "{}: the judge says {:?}, the loader says {loader_says:?}",
            library.display(),
            verdict.reasons,
        );
    }
}

#[test]
fn the_running_process_knows_its_libc() {
    let mut reader = HostReader::of_running_process().expect("facts of this process");
    let libc = reader.facts().libc.clone().expect("tests are linked dynamically");
    assert!(libc.version.is_some(), "{libc:?}");
    let own = ElfFacts::parse(&fs::read("/proc/self/exe").expect("/proc")).expect("an ELF file");
    for name in &own.needed {
        assert!(reader.learn(&own).lookups.contains_key(&**name), "{name}");
    }
}
