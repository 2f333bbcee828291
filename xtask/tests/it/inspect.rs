//! `cargo xtask inspect` as scripts call it: hosts that are folders, programs, forms of the report, exit codes.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::tool::skip;

const ARCH: &str = std::env::consts::ARCH;
const NEEDS_PROGRAM: &str = "void of_program(void); void work(void) { of_program(); }";
const PROGRAM: &str = "void of_program(void) {} int main(void) { return 0; }";

/// A folder with files to inspect and a root file system to inspect them for.
struct Bench {
    folder: TempDir,
    mirror: String,
}

impl Bench {
    /// The root file system has stubs of glibc 2.36 and its loader.
    fn new() -> Bench {
        let bench = Bench::empty();
        let lib = format!("root/lib/{ARCH}-linux-gnu");
        let folders = format!(r#"const char folders[] = "/lib/{ARCH}-linux-gnu/";"#);
        let loader = bench.library(&format!("{lib}/{}", loader()), &folders, &[]);
        bench.copy(&loader, &format!("root{}", interpreter()));
        fs::write(bench.path("libc.map"), "GLIBC_2.17 { global: base; };").unwrap();
        let libc = r#"const char banner[] = "stable release version 2.36."; void base(void) {}"#;
        let script = format!("-Wl,--version-script={}", bench.path("libc.map").display());
        bench.library(&format!("{lib}/libc.so.6"), libc, &["-Wl,-soname,libc.so.6", &script]);
        bench
    }

    /// The root file system has this machine's own C library; `None`, after saying so, where that lies elsewhere than in Debian.
    fn with_real_libc() -> Option<Bench> {
        let bench = Bench::empty();
        let lib = format!("/lib/{ARCH}-linux-gnu");
        for file in [interpreter().to_owned(), format!("{lib}/libc.so.6"), format!("{lib}/libdl.so.2")] {
            if !Path::new(&file).exists() {
                return skip(&format!("this machine has no {file}"));
            }
            bench.copy(Path::new(&file), &format!("root{file}"));
        }
        let loader = Path::new(&lib).join(loader());
        bench.copy(&loader, &format!("root{lib}/{}", self::loader()));
        Some(bench)
    }

    fn empty() -> Bench {
        // A port that nobody listens on any more.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Bench { folder: tempfile::tempdir().unwrap(), mirror: format!("http://{closed}/debian") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy(&self, from: &Path, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if !to.exists() {
            fs::copy(from, to).unwrap();
        }
    }

    fn compile(&self, output: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let (product, code) = (self.path(output), self.path("source.c"));
        fs::create_dir_all(product.parent().unwrap()).unwrap();
        fs::write(&code, source).unwrap();
        let mut cc = Command::new("cc");
        cc.arg("-o").arg(&product).arg(&code).args(arguments).current_dir(self.folder.path());
        let finished = cc.output().unwrap();
        assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
        product
    }

    /// A shared library that needs nothing but what it is linked with here.
    fn library(&self, output: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let bare =
            ["-shared", "-fPIC", "-nostdlib", "-fno-stack-protector", "-Wl,-z,noexecstack,-z,relro,-z,now"];
        self.compile(output, source, &[&bare[..], arguments].concat())
    }

    /// A program for the loader of the root, or for another.
    fn program(&self, output: &str, interpreter: &str) -> PathBuf {
        self.compile(output, PROGRAM, &["-rdynamic", &format!("-Wl,-dynamic-linker,{interpreter}")])
    }

    /// `xtask inspect`, for the root and without a network.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("inspect").args(arguments).current_dir(self.folder.path());
        for variable in ["DYNLAB_ENGINE", "DYNLAB_SNAPSHOT_MIRROR", "CARGO_MANIFEST_DIR"] {
            command.env_remove(variable);
        }
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"] {
            command.env_remove(proxy);
        }
        command.env("DYNLAB_MIRROR", &self.mirror);
        command
    }

    /// The same on a machine with an empty cache; it has to end with `code`.
    fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        let cache = self.path("cache");
        ended(&self.command(arguments).env("DYNLAB_CACHE", cache).output().unwrap(), code)
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let (stdout, _) = self.run(&[arguments, &["--json"]].concat(), code);
        serde_json::from_str(&stdout).unwrap()
    }
}

/// What it wrote to standard output and standard error.
fn ended(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

fn loader() -> &'static str {
    if ARCH == "x86_64" { "ld-linux-x86-64.so.2" } else { "ld-linux-aarch64.so.1" }
}

fn interpreter() -> &'static str {
    if ARCH == "x86_64" { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" }
}

#[test]
fn a_folder_is_a_host_for_every_loader_that_it_has() {
    let bench = Bench::new();
    let libc = format!("root/lib/{ARCH}-linux-gnu/libc.so.6");
    bench.library("good.so", "void base(void); void work(void) { base(); }", &[&libc]);
    let (stdout, _) = bench.run(&["--rootfs", "root", "good.so"], 0);
    assert!(stdout.contains(&format!("root-{ARCH}-gnu")), "{stdout}");
    let report = bench.json(&["--rootfs", "root", "good.so"], 0);
    let hosts = report["hosts"].as_array().unwrap();
    assert_eq!((hosts.len(), &hosts[0]["libc_version"]), (1, &"2.36".into()));
    assert_eq!(
        (&report["cells"][0]["predicted"], &report["cells"][0]["reasons"]),
        (&"loads".into(), &Value::Array(Vec::new()))
    );

    // musl's loader beside it makes a second host of the same folder, where the file may lack what it needs.
    let musl = r#"const char version[] = "1.2.5"; void base(void) {}"#;
    bench.library(&format!("root/lib/ld-musl-{ARCH}.so.1"), musl, &["-Wl,-soname,libc.so"]);
    let report = bench.json(&["--rootfs", "root", "good.so"], 0);
    let names: Vec<&str> =
        report["hosts"].as_array().unwrap().iter().filter_map(|host| host["name"].as_str()).collect();
    assert_eq!(names, [format!("root-{ARCH}-gnu"), format!("root-{ARCH}-musl")]);
    assert_eq!(report["cells"][1]["reasons"][0]["code"], "libc.family");
}

#[test]
fn exit_codes_tell_scripts_how_it_went() {
    let bench = Bench::new();
    bench.library("lacking.so", "void nobody(void); void work(void) { nobody(); }", &[]);
    bench.library("good.so", "int a;", &[]);
    fs::write(bench.path("text.so"), "text\n").unwrap();
    fs::create_dir(bench.path("bare")).unwrap();
    bench.run(&["--rootfs", "root", "good.so"], 0);
    let (stdout, stderr) = bench.run(&["--rootfs", "root", "good.so", "lacking.so"], 1);
    assert!(stdout.contains("symbol.undefined: the plugin needs the symbol nobody"), "{stdout}");
    assert!(stderr.contains("1 of 2 verdicts in hosts that it is for say that it does not load"), "{stderr}");
    bench.run(&["--rootfs", "root", "text.so"], 1);

    let cases: [(&[&str], &str); 6] = [
        (&["--rootfs", "root", "absent.so"], "cannot read absent.so"),
        (&["--rootfs", "nowhere", "good.so"], "cannot find the root file system nowhere"),
        (&["--rootfs", "bare", "good.so"], "has none of the loaders that are known"),
        (&["--host", "buster-x86_64-gnu", "good.so"], "unknown host \"buster-x86_64-gnu\""),
        (&["--rootfs", "root", "--program", "good.so", "good.so"], "it is no program for any of the loaders"),
        (&["--rootfs", "root", "--json", "--sarif", "good.so"], "cannot be used with"),
    ];
    for (arguments, sentence) in cases {
        let (stdout, stderr) = bench.run(arguments, 2);
        assert!(stderr.contains(sentence) && stdout.is_empty(), "{arguments:?}: {stderr}");
    }

    // Nothing is cached that could open it, and nothing can be fetched.
    let (stdout, stderr) = bench.run(&["--rootfs", "root", "--observe", "good.so"], 3);
    assert!(stderr.contains(&format!("not observed: root-{ARCH}-gnu: ")), "{stderr}");
    assert!(stdout.contains("loads"), "{stdout}");
}

#[test]
fn the_report_is_there_for_programs() {
    let bench = Bench::new();
    let run_path = "-Wl,-rpath,lib";
    bench.library("lacking.so", "void nobody(void); void work(void) { nobody(); }", &[run_path]);
    let report = bench.json(&["--rootfs", "root", "lacking.so"], 1);
    assert_eq!(report["cells"][0]["reasons"][0]["code"], "symbol.undefined");
    assert_eq!(report["files"][0]["portrait"]["hardening"]["unsafe_run_path"][0], "lib");
    let (schema, _) = bench.run(&["--schema"], 0);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["format"]["const"], report["format"]);

    let (sarif, _) = bench.run(&["--rootfs", "root", "--sarif", "lacking.so"], 1);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rules: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(
        (sarif["version"].as_str(), rules),
        (Some("2.1.0"), vec!["symbol.undefined", "hardening.run-path"])
    );
}

#[test]
fn the_program_that_is_named_gives_its_symbols() {
    let bench = Bench::new();
    bench.library("module.so", NEEDS_PROGRAM, &[]);
    bench.program("elsewhere/program", interpreter());
    bench.program("root/usr/bin/program", interpreter());
    bench.program("musl-program", &format!("/lib/ld-musl-{ARCH}.so.1"));
    bench.run(&["--rootfs", "root", "module.so"], 1);
    let with = |program: &str| ["--rootfs", "root", "--program", program, "module.so"].map(str::to_owned);
    for (program, seen_at) in
        [("elsewhere/program", "/inspecting/program"), ("root/usr/bin/program", "/usr/bin/program")]
    {
        let arguments = with(program);
        let report = bench.json(&arguments.each_ref().map(String::as_str), 0);
        assert_eq!(report["hosts"][0]["program"], seen_at);
    }
    // Hosts of another kind than the program's are left out, and then there is none.
    let arguments = with("musl-program");
    let (_, stderr) = bench.run(&arguments.each_ref().map(String::as_str), 2);
    assert!(stderr.contains("has none of the loaders"), "{stderr}");
}

/// Where the toolchain image is unpacked, whose compiler builds what opens them.
#[test]
fn files_are_opened_in_a_folder_by_a_program_of_another() {
    let Some(bench) = Bench::with_real_libc() else { return };
    let mut probe = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let probe = probe.args(["exec", "--image", "toolchain", "--", "/bin/true"]);
    let probe = probe.env("DYNLAB_MIRROR", &bench.mirror).env_remove("CARGO_MANIFEST_DIR").output().unwrap();
    if !probe.status.success() {
        skip::<()>(&String::from_utf8_lossy(&probe.stderr));
        return;
    }
    bench.library("root/opt/inside.so", NEEDS_PROGRAM, &[]);
    bench.library("outside.so", NEEDS_PROGRAM, &["-Wl,-soname,another.so"]);
    bench.program("program", interpreter());
    let files = ["--rootfs", "root", "--observe", "--json", "root/opt/inside.so", "outside.so"];
    let observed = |arguments: &[&str], code: i32| {
        let (stdout, _) = ended(&bench.command(arguments).output().unwrap(), code);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let cells = report["cells"].as_array().unwrap().clone();
        assert!(cells.iter().all(|cell| cell["agree"] == true), "{stdout}");
        cells.iter().map(|cell| cell["observed"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(observed(&files, 1), ["refused", "refused"]);
    let with_program = [&files[..], &["--program", "program"]].concat();
    assert_eq!(observed(&with_program, 0), ["loads", "loads"]);
}
