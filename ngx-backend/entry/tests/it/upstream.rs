//! What requests are passed on to, listening on a unix socket in the container's `/run`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Answers each request with its own first line; one for `/held` when it is told to. An upgrade is granted, and what comes then echoed.
pub(crate) struct Upstream {
    /// One for each request that is held.
    pub(crate) held: Receiver<Sender<()>>,
}

impl Upstream {
    pub(crate) fn listen(path: &Path) -> Upstream {
        let listener = UnixListener::bind(path).expect("a socket in the shared folder");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).expect("a socket of our own");
        let (sender, held) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Upstream { held }
    }
}

fn serve(stream: UnixStream, held: &Sender<Sender<()>>) {
    let mut writer = stream.try_clone().expect("a socket can be shared");
    let mut lines = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|length| length > 0) && !line.trim_end().is_empty() {
            head.push(line.trim_end().to_ascii_lowercase());
            line.clear();
        }
        let Some(first) = head.first() else { return };
        if first.contains("/held") {
            let (go_on, told) = channel();
            let _ = held.send(go_on);
            let _ = told.recv();
        }
        let answer = if head.iter().any(|field| field == "upgrade: websocket") {
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}", first.len())
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        if answer.contains("101") {
            let _ = std::io::copy(&mut lines, &mut writer);
            return;
        }
    }
}
