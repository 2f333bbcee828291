//! Judges real ELF files, built by the machine's C compiler when the tests run.

mod contract_note;
mod facts;
mod fake_host;
mod foreign_files;
mod hostile_bytes;
mod loader_agreement;
mod toolchain;
mod verdicts;
