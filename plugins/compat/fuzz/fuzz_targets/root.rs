//! Any bytes as the files of a root file system: its loader's cache, its C library, its loader, what a file needs, and the program.
#![no_main]

#[path = "../../tests/it/mutate.rs"]
mod mutate;

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutate::{Noise, mutate};
use plugin_compat::{ElfFacts, HostReader, Machine, Policy, judge_at};
use tempfile::TempDir;

const LIB: &str = "lib/x86_64-linux-gnu";

/// Written anew for each input. In memory where the machine has a place for that.
static ROOT: LazyLock<TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    for folder in ["etc", "lib64", LIB] {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    root
});

/// This program, to stand where the input does not.
static OWN: LazyLock<ElfFacts> = LazyLock::new(|| {
    let bytes = fs::read("/proc/self/exe").expect("/proc");
    ElfFacts::parse(&bytes).expect("a program that runs")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((place, bytes)) = bytes.split_first() else { return };
    let is_musl = place & 0x80 != 0;
    let interpreter = if is_musl { "/lib/ld-musl-x86_64.so.1" } else { "/lib64/ld-linux-x86-64.so.2" };
    let libc = format!("{LIB}/libc.so.6");
    let files = [interpreter.trim_start_matches('/'), &libc, "etc/ld.so.cache", "etc/ld-musl-x86_64.path", "lib/libneeded.so"];
    let chosen = usize::from(*place) % (files.len() + 1);
    for (at, file) in files.iter().enumerate() {
        let content: &[u8] = match at {
            _ if at == chosen => bytes,
            // Without which there is no host at all.
            0 | 1 => bytes,
            _ => continue,
        };
        fs::write(ROOT.path().join(file), content).expect("a file of the root");
    }
    let needed = ["libc.so.6", "libneeded.so"];
    let program = ElfFacts::of_program(Machine::X86_64, interpreter, &needed);
    let program = if chosen == files.len() { ElfFacts::parse(bytes).unwrap_or(program) } else { program };
    if let Ok(mut host) = HostReader::open(ROOT.path(), "root", program) {
        let file = ElfFacts::parse(bytes);
        let file = file.as_ref().unwrap_or(&OWN);
        let verdict = judge_at(file, "/opt/file.so", host.learn_at(file, "/opt/file.so"), &Policy::loader_only());
        assert_eq!(verdict.loadable, verdict.reasons.is_empty());
    }
    for file in files {
        let _ = fs::remove_file(ROOT.path().join(file));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut noise = Noise::new(u64::from(seed));
    if size < 2 || noise.below(3) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut file = data[1..size].to_vec();
    mutate(&mut file, &mut noise, max_size.min(data.len()) - 1);
    data[1..=file.len()].copy_from_slice(&file);
    file.len() + 1
});
