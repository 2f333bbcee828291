//! Drives a front over real sockets, with an application that does what the test says.

mod admin;
mod lab;
mod leaving;
mod listeners;
mod serving;
