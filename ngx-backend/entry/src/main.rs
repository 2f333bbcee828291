//! The program `ngx-backend`, process 1 of the release image: the daemon `backend` and nginx, as one thing that is started, asked
//! how it is, reloaded and stopped.
#![forbid(unsafe_code)]

mod client;
mod configuration;
mod ground;
mod identity;
mod place;
mod processes;
mod run;
mod settings;
mod supervise;

use std::process::ExitCode;

/// Status of a start that could not succeed, and of a wrong command line.
const CANNOT_START: u8 = 2;

const HELP: &str = "\
nginx that learns its upstreams while it runs.

ngx-backend                          starts the daemon and nginx, and stays
ngx-backend healthz                  says whether both answer, by its exit status: 0 or 1
ngx-backend api METHOD PATH [BODY]   asks the API over its unix socket, prints the answer; exit status 0 if that is a success, else 1;
                                     BODY - is standard input
ngx-backend configuration            prints the configuration that nginx is started with

Variables:
  DOMAIN              the API is at api.DOMAIN; several, with commas between them
  LISTEN              where nginx listens: PORT, IP:PORT, [IPV6]:PORT or unix:/PATH; several, with commas between them [80]
  SHUTDOWN_DEADLINE   seconds that open requests and WebSockets get after SIGTERM [8]
  BACKEND_TOKEN       what requests for the API have to bring, or BACKEND_TOKEN_FILE, the file that has it; without either
                      the map is changed with `ngx-backend api` only, inside the container
  BACKEND_…           other flags of the daemon, see `backend --help`
";

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] => run::run(),
        ["healthz"] => client::healthz(),
        ["api", method, path] => client::api(method, path, None),
        ["api", method, path, body] => client::api(method, path, Some(body)),
        ["configuration"] => configuration::print(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(0)
        }
        _ => {
            eprint!("{HELP}");
            Ok(CANNOT_START)
        }
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("ngx-backend: {error:#}");
            ExitCode::from(CANNOT_START)
        }
    }
}
