//! The release image as an operator meets it.

mod content;
mod ends;
mod image;
mod serves;
mod settings;
mod survives;
mod upstream;
