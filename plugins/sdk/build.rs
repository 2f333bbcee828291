//! Finds out what the note says about the build: target, compiler and profile.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo sets all three for every build script.
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let profile = env::var("PROFILE").expect("cargo sets PROFILE");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    println!("cargo:rustc-env=DYNLAB_TARGET={target}");
    println!("cargo:rustc-env=DYNLAB_COMPILER={}", version_of(Command::new(rustc)));
    println!("cargo:rustc-env=DYNLAB_PROFILE={profile}");
}

/// `rustc 1.63.0` out of `rustc 1.63.0 (4b91a6ea7 2022-08-08)`: the rest differs between builders of one version.
fn version_of(mut rustc: Command) -> String {
    let output = rustc.arg("--version").output().unwrap_or_else(|error| panic!("{rustc:?}: {error}"));
    assert!(output.status.success(), "{rustc:?}: {}", output.status);
    let version = String::from_utf8_lossy(&output.stdout);
    let version = version.split(" (").next().unwrap_or_default();
    version.trim().to_owned()
}
