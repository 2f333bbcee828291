//! What the README shows does what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, compile, repository, run, set_mode};

/// The first block of the README in that language.
fn block(language: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let start = format!("```{language}\n");
    let (_, rest) = readme.split_once(&start).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_plugin_in_c_works() {
    let lab = Lab::new();
    let source = lab.root().join("hello.c");
    fs::write(&source, block("c")).unwrap();
    compile(&lab.path("hello.so"), source.to_str().unwrap(), &[]);
    lab.serve(&[]).wait_for_answer("/hello", "hello from C\n");
    assert!(block("c").lines().count() <= 20);
}

#[test]
fn the_plugin_in_rust_works() {
    let lab = Lab::new();
    let library = build(&lab, &block("rust"));
    fs::copy(library, lab.path("hello.so")).unwrap();
    set_mode(&lab.path("hello.so"), 0o644);
    lab.serve(&[]).wait_for_answer("/hello", "hello from Rust\n");
    assert!(block("rust").lines().count() <= 20);
}

/// Builds a crate as somebody outside of this workspace would.
fn build(lab: &Lab, source: &str) -> PathBuf {
    let crate_root = lab.root().join("hello");
    fs::create_dir_all(crate_root.join("src")).unwrap();
    fs::write(crate_root.join("src/lib.rs"), source).unwrap();
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nplugin-sdk = {{ path = \"{}\" }}\n\n[workspace]\n",
        repository().join("plugins/sdk").display()
    );
    fs::write(crate_root.join("Cargo.toml"), manifest).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    run(cargo.current_dir(&crate_root).args(["build", "--offline", "--target-dir", "target"]));
    crate_root.join("target/debug/libhello.so")
}

#[test]
fn the_configuration_file_is_understood() {
    let lab = Lab::new();
    let www = lab.root().join("www");
    fs::create_dir(&www).unwrap();
    let text = block("toml").replace("/srv/www", www.to_str().unwrap()).replace("port = 8080\n", "");
    // It is the flags that say where the plugins are, and that none of the middlewares is there.
    let mut server = lab.serve(&[&lab.config(&text)]);
    for middleware in ["basic-auth", "cors", "request-id"] {
        server.wait_for_log(&format!("middleware={middleware}"));
    }
    assert!(!server.has_logged("middleware=compress"));
}
