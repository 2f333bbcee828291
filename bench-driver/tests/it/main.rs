//! Takes samples of a server of its own, which can be slow, wrong and rude.

mod on_cores;
mod rude_server;
mod samples;
