//! Tells the linker that the module stays.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // nginx closes its modules when it frees the configuration that they came with, in workers while the last threads of a
    // plugin may still be on their way out of code in here.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
