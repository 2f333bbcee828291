//! The plugin as a host has it: made through its table, asked through its table, with a real folder.

mod client;

mod conditional;
mod folders;
mod ranges;
mod serving;
mod settings;
