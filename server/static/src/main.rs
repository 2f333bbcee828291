//! `static-server`: the static twin of `dyn-server`. The same plugins, linked into the program, go through the same tables
//! of the contract, so that whatever differs between the two is dynamic loading and nothing else.

use std::process::ExitCode;

use server::{PluginSource, StaticPlugin};

/// Every plugin of the workspace that a server can use. Handlers take part always, middlewares if the configuration names them.
static PLUGINS: &[&StaticPlugin] = &[
    &echo_handler::PLUGIN,
    &headers_handler::PLUGIN,
    &ip_handler::PLUGIN,
    &static_files_handler::PLUGIN,
    &basic_auth_middleware::PLUGIN,
    &compress_middleware::PLUGIN,
    &cors_middleware::PLUGIN,
    &rate_limit_middleware::PLUGIN,
    &request_id_middleware::PLUGIN,
];

fn main() -> ExitCode {
    server::run("static-server", PluginSource::Linked(PLUGINS))
}
