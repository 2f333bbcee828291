//! The release image as an operator meets it.

mod content;
mod docker;
mod ends;
mod examples;
mod image;
mod serves;
mod settings;
mod survives;
mod upstream;
