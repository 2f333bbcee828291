//! Loads real plugins, built from source when the tests run, and drives the real `plugin-probe`.

mod fixtures;
mod kinds;
mod lab;
mod linked;
mod loading;
mod names;
mod probe;
mod trust;
mod versions;
