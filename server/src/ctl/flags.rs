//! The command line. The comments are the help text.

use clap::{Args, Parser, Subcommand};
use http_front::admin::AdminAddress;
use http_front::value::Span;

use crate::plugins::Family;

/// Shows and changes the plugins of a running server.
///
/// Status: 0 if all is well; 1 if the server refuses, or is not healthy; 2 if it cannot be reached or the flags are wrong.
#[derive(Debug, Parser)]
#[command(name = "dyn-serverctl", version)]
pub(super) struct CommandLine {
    #[command(flatten)]
    pub(super) server: ServerFlags,

    /// Print the server's answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) action: Action,
}

/// Which server, and how long to wait for it.
#[derive(Args, Debug)]
pub(super) struct ServerFlags {
    /// The server's --admin: the path of its socket, or IP:PORT [default: dyn-server-PORT.sock where servers put it].
    #[arg(long, global = true, env = "SERVER_ADMIN", value_name = "ADDRESS")]
    pub(super) admin: Option<AdminAddress>,

    /// The port that the server serves, to find its socket without --admin.
    #[arg(long, global = true, env = "SERVER_PORT", default_value_t = 8080)]
    pub(super) port: u16,

    /// Of a server with several workers only this one, from 0 [default: all, one after the other].
    #[arg(long, global = true, value_name = "N")]
    pub(super) worker: Option<usize>,

    /// How long to wait for the answer, such as 10s or 500ms.
    #[arg(long, global = true, value_name = "TIME", default_value = "30s")]
    pub(super) timeout: Span,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show the plugins with their versions, calls and latency.
    Plugins,
    /// Show which files are not used, and why.
    Refused,
    /// Say whether the server does what it is meant to do; status 1 if not.
    Health,
    /// Print the metrics, as Prometheus gets them.
    Metrics,
    /// Have the plugin root looked at now.
    Reload,
    /// Go back to the version before the active one.
    Rollback {
        #[command(flatten)]
        plugin: PluginFlags,
    },
    /// Stop calling a version.
    Quarantine {
        #[command(flatten)]
        plugin: PluginFlags,
        /// The version [default: the active one].
        version: Option<String>,
    },
    /// Let a version that is in quarantine be called again.
    Release {
        #[command(flatten)]
        plugin: PluginFlags,
        /// The version.
        version: String,
    },
}

/// Which plugin.
#[derive(Args, Debug)]
pub(super) struct PluginFlags {
    /// The plugin's name.
    pub(super) name: String,

    /// handler or middleware; only needed if there are both of this name.
    #[arg(long)]
    pub(super) kind: Option<Family>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        CommandLine::command().debug_assert();
    }
}
