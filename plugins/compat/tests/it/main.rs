//! Judges real ELF files, built by the machine's C compiler when the tests run.

mod contract_note;
mod drive;
mod facts;
mod fake_host;
mod foreign_files;
mod forge;
mod hostile_bytes;
mod hostile_sizes;
mod loader_agreement;
mod mutate;
mod mutated;
mod toolchain;
mod verdicts;
