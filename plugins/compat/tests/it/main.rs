//! Judges real ELF files, built by the machine's C compiler when the tests run.

mod contract_note;
mod fake_host;
mod toolchain;
mod verdicts;
