//! Any bytes, read and judged in hosts of every kind of rule, by others and as a library of their own. See CONTRIBUTING.md, "Fuzz what reads
//! strangers' files".
#![no_main]

#[path = "../../tests/it/drive.rs"]
mod drive;
#[path = "../../tests/it/mutate.rs"]
mod mutate;

use std::cell::RefCell;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use plugin_compat::{HostFacts, HostReader};

use mutate::{Noise, mutate};

thread_local! {
    /// Made of the host that this program is; libFuzzer calls from one thread.
    static HOSTS: RefCell<Vec<HostFacts>> = RefCell::new({
        let own = HostReader::of_running_process().expect("facts of this process");
        drive::hosts(own.facts())
    });
}

fuzz_target!(|bytes: &[u8]| {
    HOSTS.with_borrow_mut(|hosts| drive::drive(bytes, hosts));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut noise = Noise::new(u64::from(seed));
    // libFuzzer's own changes know what the code compares with, ours what the file is made of.
    if noise.below(3) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut file = data[..size].to_vec();
    mutate(&mut file, &mut noise, max_size.min(data.len()));
    data[..file.len()].copy_from_slice(&file);
    file.len()
});
