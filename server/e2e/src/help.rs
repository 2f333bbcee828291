//! The text for people who ask.

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Starts a server, drives it over loopback, stops it, and says what happened as JSON.

server-e2e --server PROGRAM --ask PATH=TEXT... [--plugin FOLDER[/NAME]=FILE]...
           [--beside FOLDER[/NAME]=FILE]... [OPTION]...
    Start PROGRAM with --port 0. Each plugin's FILE is copied into FOLDER
    (handlers, middlewares or caches) of a plugin root that only this user can
    write, as NAME or under its own name. PROGRAM is given that root with
    --plugin-root, or a cache with --cache-plugin-path. Wait until it listens,
    see in its log that each plugin came from its file, send requests, end it
    with SIGTERM. Of what lies beside the plugins it is only told what the
    server does with it.
    Each PATH is asked for with GET, and TEXT has to be in the answer; with
    HEAD; and with POST, which must not be allowed.
    One JSON object on one line: outcome (works, refused, declined, failed,
    crashed, hung), stage, code, message, signal; and beside, an object with
    \"loaded\" or the server's code for each file name.

    --argument TEXT           for PROGRAM, instead of --port 0
    --config TEXT             the server's configuration, in TOML
    --header NAME:VALUE       a field of every request
    --answers-everything      PROGRAM answers each method and path alike: only
                              ask what has an answer
    --then SIGNAL=TEXT        after the requests send SIGNAL (HUP, TTIN, TTOU,
                              USR1, USR2), wait until the log says msg=TEXT,
                              and send the requests again
    --patience-seconds N      how long each step may take; default 20
    --load-timeout-seconds N  how long the server waits for a plugin that is
                              loaded; default half the patience

Status 0 whatever the server does; 2 if this program itself cannot work.
";
