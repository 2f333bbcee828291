//! The page that an archive has about itself.

use super::contents::Shipped;
use crate::lab::{Libc, Target};

/// What is there, what it needs, and how to start with it.
pub(super) fn text(version: &str, target: &Target, shipped: &[Shipped]) -> String {
    let mut rows = String::new();
    for one in shipped {
        let floor = match &one.built.glibc_floor {
            Some(floor) => format!("glibc {floor}"),
            None if target.libc == Libc::Gnu => "glibc".to_owned(),
            None => "musl".to_owned(),
        };
        rows.push_str(&format!("| `{}` | {} | {floor} |\n", one.built.file, one.description));
    }
    let triple = &target.triple;
    let system = match &target.glibc_floor {
        Some(floor) => format!("glibc {floor} or newer"),
        None => "musl 1.2 as its C library (its loader is looked for in `/lib`)".to_owned(),
    };
    // Plugins have versions of their own.
    let path = |beginning: &str| {
        let mut paths = shipped.iter().map(|one| one.built.file.as_str());
        paths.find(|path| path.starts_with(beginning)).unwrap_or(beginning).to_owned()
    };
    let (ip, memory) = (path("plugins/handlers/ip-"), path("plugins/caches/memory-"));
    let c_compiler = match target.libc {
        Libc::Gnu => "cc",
        Libc::Musl => "musl-gcc",
    };
    format!(
        "# Dynlab {version} for {triple}

Native plugins in Rust and C, and programs that load them. All of it was built from one source in one pinned image, and runs on Linux with {system}.

A plugin root, and a server on it:

    mkdir -p -m 755 /tmp/plugins/handlers
    install -m 644 {ip} /tmp/plugins/handlers/
    bin/dyn-server --plugin-root /tmp/plugins --port 8080
    curl http://127.0.0.1:8080/ip

What a plugin does when it is loaded here, without a server:

    bin/plugin-probe observe {ip}

The same server with all its plugins linked in; an API whose cache is a plugin; several processes behind one address:

    bin/static-server --port 8080
    bin/fib-demo --port 8080 --cache-plugin-path {memory}
    bin/forker-greeting --listen 127.0.0.1:8080 --workers 2

A plugin in C needs one header, and `include/SPEC.md` is the contract that it declares:

    {c_compiler} -shared -fPIC -fvisibility=hidden -I include -o hello.so hello.c

Every program tells its flags with `--help`.

## What is here

| file | what it is | needs |
| --- | --- | --- |
{rows}
`manifest.json` has the SHA-256 of each and of what it was built from; `sbom.cdx.json` is the bill of materials (CycloneDX 1.6): the crates in each
file, with their licences and checksums, and the parts of the toolchain. The licences of all that is not ours are in `THIRD-PARTY` and in the folder
`licences`. What is ours stands under MIT or Apache-2.0, as you like.
"
    )
}
