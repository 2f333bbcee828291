//! What programs have in common that start a server in the host they run in, drive it, and say what happened as JSON: their
//! command line, the server's process and log, and the form of the answer.

pub mod flags;
pub mod log_line;
pub mod observation;
pub mod plugin_root;
pub mod server;
