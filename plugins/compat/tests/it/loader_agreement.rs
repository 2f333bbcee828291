//! The judge predicts what this machine's own loader does.

use std::fs;
use std::process::Command;

use plugin_compat::{ElfFacts, HostReader, Policy, judge_at};

use crate::toolchain::Workshop;

/// Opens the file it is given as plugins are opened, and says why not.
pub(crate) const HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int offered_by_host = 7;
void host_function(void) {}
int main(int argc, char **argv) {
    (void)argc;
    if (dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) return 0;
    fprintf(stderr, "%s\n", dlerror());
    return 1;
}
"#;

/// Libraries that others need, with their sources and arguments.
const NEEDED: [(&str, &str, &[&str]); 8] = [
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
    ("inner/libplaced.so", "int placed(void) { return 1; }", &["-Wl,-soname,$ORIGIN/inner/libplaced.so"]),
    // Where glibc looks for it on newer processors only.
    ("glibc-hwcaps/x86-64-v2/libfaster.so", "int faster(void) { return 1; }", &[]),
];

/// Version scripts by the names that arguments give them.
const VERSION_SCRIPTS: [(&str, &str); 3] = [
    ("hidden.map", "FIRST {}; SECOND { global: hidden; } FIRST;"),
    ("newer.map", "NEWER { global: versioned; };"),
    ("older.map", "OLDER { global: versioned; };"),
];

/// Sources and link arguments of libraries, and whether they load in a program that exports the two names above.
const LIBRARIES: [(&str, &str, &[&str], bool); 34] = [
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

/// What loads or does not, as the processor and the age of the C library will have it.
const UP_TO_THE_MACHINE: (&str, &str, &[&str]) = (
    "faster",
    "int faster(void); int work(void) { return faster(); }",
    &["-Lglibc-hwcaps/x86-64-v2", "-lfaster", ORIGIN],
);

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
    let (name, source, arguments) = UP_TO_THE_MACHINE;
    let libraries: Vec<_> = LIBRARIES
        .iter()
        .map(|(name, source, arguments, loads)| (name, source, arguments, Some(*loads)))
        .chain([(&name, &source, &arguments, None)])
        .map(|(name, source, arguments, loads)| {
            let arguments = [&["-shared", "-fPIC", "-L."], *arguments].concat();
            (workshop.compile(&format!("{name}.so"), source, &arguments), loads)
        })
        .collect();
    fs::remove_file(absent).expect("the library goes");
    let older = ["-shared", "-fPIC", "-Wl,-soname,libversion.so", "-Wl,--version-script=older.map"];
    workshop.compile("libversion.so", "int versioned(void) { return 1; }", &older);
    for (library, loads) in libraries {
        let bytes = fs::read(&library).expect("what cc wrote");
        let facts = ElfFacts::parse(&bytes).expect("an ELF file");
        let path = library.canonicalize().expect("it is there");
        let path = path.to_str().expect("a path of letters");
        let verdict = judge_at(&facts, path, reader.learn_at(&facts, path), &Policy::loader_only());
        let observed = Command::new(&host).arg(&library).output().expect("the host runs");
        let loader_says = String::from_utf8_lossy(&observed.stderr);
        let loads = loads.unwrap_or(observed.status.success());
        assert_eq!(
            (verdict.loadable, observed.status.success()),
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
