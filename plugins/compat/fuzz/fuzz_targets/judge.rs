//! Any bytes, judged in the host that the fuzzer itself is: `cargo +nightly fuzz run judge_bytes` in `plugins/compat`.
//! Plugins and libraries make good seeds; put some into `fuzz/corpus/judge_bytes`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use plugin_compat::{HostFacts, HostReader, Policy, judge_bytes};

static HOST: LazyLock<HostFacts> =
    LazyLock::new(|| HostReader::of_running_process().expect("facts of this process").into_facts());

fuzz_target!(|bytes: &[u8]| {
    let verdict = judge_bytes(bytes, &HOST, &Policy::any_kind());
    assert_eq!(verdict.loadable, verdict.reasons.is_empty());
});
