//! `dyn-server`: an HTTP server whose handlers and middlewares are native plugins.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run("dyn-server", server::PluginSource::Folder)
}
