//! The judge predicts what this machine's own loader does.

use std::fs;
use std::process::Command;

use plugin_compat::{ElfFacts, HostReader, Policy, judge_bytes};

use crate::toolchain::Workshop;

/// Opens the file it is given as plugins are opened, and says why not.
const HOST: &str = r#"
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

/// Sources and link arguments of libraries, and whether they load in a program that exports the two names above.
const LIBRARIES: [(&str, &str, &[&str], bool); 12] = [
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
];

#[test]
fn judge_and_loader_agree() {
    let workshop = Workshop::new();
    let host = workshop.compile("host", HOST, &["-rdynamic", "-ldl"]);
    let program = ElfFacts::parse(&fs::read(&host).expect("the host")).expect("an ELF file");
    let mut reader = HostReader::open("/".as_ref(), "this-machine", program).expect("this machine's facts");
    // Linked with, and then gone.
    let absent = workshop.compile("libabsent.so", "void absent(void) {}", &["-shared", "-fPIC"]);
    let libraries: Vec<_> = LIBRARIES
        .iter()
        .map(|(name, source, arguments, loads)| {
            let arguments = [&["-shared", "-fPIC"], *arguments].concat();
            (workshop.compile(&format!("{name}.so"), source, &arguments), loads)
        })
        .collect();
    fs::remove_file(absent).expect("the library goes");
    for (library, loads) in libraries {
        let bytes = fs::read(&library).expect("what cc wrote");
        let facts = ElfFacts::parse(&bytes).expect("an ELF file");
        let verdict = judge_bytes(&bytes, reader.learn(&facts), &Policy::loader_only());
        let observed = Command::new(&host).arg(&library).output().expect("the host runs");
        let loader_says = String::from_utf8_lossy(&observed.stderr);
        assert_eq!(
            (verdict.loadable, observed.status.success()),
            (*loads, *loads),
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
