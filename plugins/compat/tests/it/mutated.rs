//! Files that were changed at random, a few each time and a million when asked for: none makes the judge panic, hang or swell.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use plugin_compat::FileKind;

use crate::drive::{drive, hosts};
use crate::hostile_bytes::SPECIMEN;
use crate::mutate::{Noise, mutate};

/// The same files each time.
const SEED: u64 = 0x64_796e_6c61_6221;
/// How long one file may take, on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);
const LONGEST_FILE: usize = 64 * 1024;

#[test]
fn mutated_files_are_judged() {
    judge_mutated(8000);
}

/// `cargo test --release -p plugin-compat --test it -- --ignored --nocapture a_million`
#[test]
#[ignore = "takes minutes, and is meant for a release build"]
fn a_million_mutated_files_are_judged() {
    judge_mutated(1_000_000);
}

/// What is changed: the corpus of the fuzz target, what other toolchains make, and a library that this machine's compiler has just
/// made, which is the larger part of the originals: of what fuzzing found, most is no library any more.
fn originals() -> Vec<Vec<u8>> {
    let mut originals = Vec::new();
    for folder in ["fuzz/corpus/judge", "tests/files"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(&folder).expect("a folder of the repository");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of it").path()).collect();
        paths.sort();
        assert!(paths.len() > 10, "{} has lost its files", folder.display());
        originals.extend(paths.iter().map(|path| fs::read(path).expect("a file of the repository")));
    }
    let of_specimen = vec![SPECIMEN.0.clone(); originals.len()];
    originals.into_iter().chain(of_specimen).collect()
}

fn judge_mutated(files: u64) {
    let started = Instant::now();
    let originals = originals();
    let mut hosts = hosts(&SPECIMEN.1);
    let (report, progress) = mpsc::channel();
    let judge_all = move || {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for number in 0..files {
            let mut noise = Noise::new(SEED.wrapping_add(number));
            let mut file = originals[noise.below(originals.len())].clone();
            for _ in 0..1 + noise.below(8) {
                mutate(&mut file, &mut noise, LONGEST_FILE);
            }
            if report.send(number).is_err() {
                return kinds;
            }
            let judged = catch_unwind(AssertUnwindSafe(|| drive(&file, &mut hosts)));
            let kind = judged.unwrap_or_else(|_| panic!("file {number}{}", kept(number, &file)));
            *kinds.entry(kind.as_str()).or_default() += 1;
        }
        kinds
    };
    let judging = thread::spawn(judge_all);
    let mut last = None;
    loop {
        match progress.recv_timeout(DEADLINE) {
            Ok(number) => last = Some(number),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("file {last:?} takes longer than {DEADLINE:?}"),
        }
    }
    let kinds = judging.join().expect("no file does harm");
    println!("{files} files in {:.1} s: {kinds:?}", started.elapsed().as_secs_f64());
    // Changes that leave nothing to judge would prove nothing.
    let whole = kinds.get(FileKind::SharedLibrary.as_str()).copied().unwrap_or(0);
    assert!(whole > files / 10, "{kinds:?}");
}

/// Keeps a file that does harm, and says where.
fn kept(number: u64, file: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("plugin-compat-mutated-{number}"));
    match fs::write(&path, file) {
        Ok(()) => format!(" does harm and is kept as {}", path.display()),
        Err(error) => format!(" does harm and cannot be kept: {error}"),
    }
}
