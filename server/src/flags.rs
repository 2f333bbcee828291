//! All flags of the server; their comments are the help text. Flags win over the environment.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tracing::Level;

/// HTTP server whose handlers are native plugins.
#[derive(Debug, Parser)]
#[command(name = "dyn-server", version)]
pub(crate) struct Flags {
    /// Folder with the plugins: handlers lie in its subfolder `handlers`.
    #[arg(long, env = "SERVER_PLUGIN_ROOT", value_name = "DIR")]
    pub(crate) plugin_root: PathBuf,

    /// Address to listen on.
    #[arg(long, env = "SERVER_HOST", default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,

    /// Port to listen on; 0 lets the system choose, and the log says which.
    #[arg(long, env = "SERVER_PORT", default_value_t = 8080)]
    port: u16,

    /// Address and port in one, instead of --host and --port.
    #[arg(long, env = "SERVER_ADDR", value_name = "IP:PORT")]
    addr: Option<SocketAddr>,

    /// Threads that accept and answer; one for each core if not given.
    #[arg(long, env = "SERVER_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Time for a request's head to arrive, and again for its body, such as 10s or 500ms.
    #[arg(long, env = "SERVER_READ_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) read_timeout: Duration,

    /// Time that open requests get to finish after SIGTERM or SIGINT.
    #[arg(long, env = "SERVER_SHUTDOWN_DEADLINE", default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) shutdown_deadline: Duration,

    /// Largest request head in bytes; a larger one is answered 431.
    #[arg(long, env = "SERVER_HEAD_LIMIT", default_value_t = 16 * 1024, value_parser = parse_head_limit, value_name = "BYTES")]
    pub(crate) head_limit: usize,

    /// Largest request body in bytes; a larger one is answered 413.
    #[arg(long, env = "SERVER_BODY_LIMIT", default_value_t = 1024 * 1024, value_name = "BYTES")]
    pub(crate) body_limit: usize,

    /// Connections served at once; further ones wait in the system's queue.
    #[arg(long, env = "SERVER_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub(crate) max_connections: u32,

    /// File of SHA-256 sums, one a line; plugins that are not in it are refused.
    #[arg(long, env = "SERVER_ALLOW_LIST", value_name = "FILE")]
    pub(crate) allow_list: Option<PathBuf>,

    /// Label told to the plugins when they are asked whether they accept this host; repeatable.
    #[arg(long = "label", env = "SERVER_LABELS", value_delimiter = ',', value_parser = parse_label, value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<(String, String)>,

    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, env = "SERVER_LOG_LEVEL", default_value_t = Level::INFO, value_name = "LEVEL")]
    pub(crate) log_level: Level,
}

impl Flags {
    pub(crate) fn address(&self) -> SocketAddr {
        self.addr.unwrap_or(SocketAddr::new(self.host, self.port))
    }

    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(given) => usize::from(given),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// hyper keeps a head in one buffer and asks for at least this much.
const SMALLEST_HEAD_LIMIT: usize = 8 * 1024;

fn parse_head_limit(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "not a number of bytes".to_owned())?;
    if bytes < SMALLEST_HEAD_LIMIT {
        return Err(format!("must be at least {SMALLEST_HEAD_LIMIT}"));
    }
    Ok(bytes)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "write it like 10s, 500ms or 2m".to_owned())?;
    let duration = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        unit => return Err(format!("unknown unit `{unit}`; use ms, s or m")),
    };
    // A day: beyond it clocks may overflow, and nobody means it.
    if duration.is_zero() || duration > Duration::from_secs(24 * 60 * 60) {
        return Err("must be more than nothing and at most a day".to_owned());
    }
    Ok(duration)
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it like rack=a1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_bounds() {
        let cases = [
            ("10s", Some(10_000)),
            ("7", Some(7_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("0s", None),
            ("2h", None),
            ("-1s", None),
            ("s", None),
            ("99999999999m", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
    }
}
