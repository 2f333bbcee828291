//! The least of an HTTP client, over unix sockets: the image has no other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backend_map::Tables;

use crate::identity::Identity;
use crate::place;

/// How long an answer may take to begin, and to go on.
const PATIENCE: Duration = Duration::from_secs(60);
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// `ngx-backend healthz`: asks nginx, which asks the daemon.
pub(crate) fn healthz() -> Result<u8> {
    let socket = place::HEALTH_SOCKET;
    match ask(socket, &request("GET", "/healthz", None, None), HEALTH_PATIENCE) {
        Ok((200, _)) => Ok(0),
        Ok((status, _)) => {
            eprintln!("ngx-backend: nginx runs, and the daemon is not well: {status}");
            Ok(1)
        }
        Err(error) => {
            eprintln!("ngx-backend: nginx does not answer at {socket}: {error}");
            Ok(1)
        }
    }
}

/// Whether nginx can be started: the daemon that listens at `socket` is well; or it answers, and in `published` there is a table of before, as
/// when its store is in a Redis that cannot be reached.
pub(crate) fn is_ready(socket: &str, published: &str) -> bool {
    ask(socket, &request("GET", "/healthz", None, None), HEALTH_PATIENCE)
        .is_ok_and(|(status, _)| status == 200 || Tables::load(Path::new(published), None).is_ok())
}

/// `ngx-backend api`: the daemon knows who asks by the socket.
pub(crate) fn api(method: &str, path: &str, body: Option<&str>) -> Result<u8> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word(method) || !is_word(path) || !path.starts_with('/') {
        bail!("write a method and a path, such as `ngx-backend api GET /entries.json`");
    }
    Identity::of_this_process()?.join_workers()?;
    let mut content = Vec::new();
    match body {
        Some("-") => {
            io::stdin().lock().read_to_end(&mut content).context("cannot read standard input")?;
        }
        Some(text) => content.extend_from_slice(text.as_bytes()),
        None => {}
    }
    let token = std::env::var("BACKEND_TOKEN").ok().filter(|token| is_word(token));
    let request = request(method, path, body.map(|_| content.as_slice()), token.as_deref());
    let socket = place::API_SOCKET;
    let (status, mut answer) =
        ask(socket, &request, PATIENCE).with_context(|| format!("the daemon does not answer at {socket}"))?;
    io::copy(&mut answer, &mut io::stdout().lock()).context("the answer broke off")?;
    if (200..300).contains(&status) {
        return Ok(0);
    }
    eprintln!("ngx-backend: the daemon answered {status}");
    Ok(1)
}

/// HTTP/1.0, so that the answer ends with the connection and is never chunked (RFC 9112, section 6.1).
fn request(method: &str, path: &str, body: Option<&[u8]>, token: Option<&str>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n");
    if let Some(token) = token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body.unwrap_or_default()].concat()
}

/// The status, and what follows the head.
fn ask(socket: &str, request: &[u8], patience: Duration) -> io::Result<(u16, impl Read)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(request)?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
    while !line.trim_end().is_empty() {
        line.clear();
        answer.read_line(&mut line)?;
    }
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use backend_map::{Access, Publisher};

    use super::*;

    #[test]
    fn nginx_is_started_with_the_table_of_before_and_not_without_any() {
        let folder = tempfile::tempdir().unwrap();
        let (path, published) = (folder.path().join("a.sock"), folder.path().join("map"));
        let (socket, map) = (path.to_string_lossy(), published.to_string_lossy());
        assert!(!is_ready(&socket, &map));
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for status in ["200 OK", "503 No", "503 No"] {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 512]).unwrap() > 0);
                stream.write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes()).unwrap();
            }
        });
        assert!(is_ready(&socket, &map), "the daemon is well");
        let mut publisher = Publisher::open(&published, Access { group: None }).unwrap();
        assert!(!is_ready(&socket, &map), "nothing is published");
        let base = publisher.new_base().unwrap().finish().unwrap();
        publisher.publish(Some(base), []).unwrap();
        assert!(is_ready(&socket, &map));
    }

    #[test]
    fn an_answer_is_a_status_and_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in ["HTTP/1.0 503 No\r\nA: b\r\n\r\nill\r\n\r\nstill", "nonsense"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 512];
                let length = stream.read(&mut buffer).unwrap();
                asked.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                stream.write_all(answer.as_bytes()).unwrap();
            }
            asked
        });
        let path = path.to_string_lossy();
        let sent = request("POST", "/entries.json", Some(b"{}"), Some("sesame"));
        let (status, mut rest) = ask(&path, &sent, PATIENCE).unwrap();
        let mut text = String::new();
        rest.read_to_string(&mut text).unwrap();
        assert_eq!((status, text.as_str()), (503, "ill\r\n\r\nstill"));
        let nothing = folder.path().to_string_lossy();
        assert!(!is_ready(&path, &nothing));
        let asked = server.join().unwrap();
        let expected = "POST /entries.json HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(asked[0], expected);
    }
}
