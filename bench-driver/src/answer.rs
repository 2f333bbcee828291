//! Asks a server once and compares its answer with the right one.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::http;
use crate::order::{Ask, Protocol};

/// How an answer was.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As it should be, of so many bytes.
    Right(usize),
    /// Nobody listens yet.
    NotThere,
    /// Anything else, in words.
    Wrong(String),
}

/// Asks on a connection of its own, for the first host and the last where there are several; waits at most `patience` for each part of an answer.
pub(crate) fn ask(ask: &Ask, patience: Duration) -> Answer {
    let last = ask.hosts.as_ref().map_or(0, |hosts| hosts.count.saturating_sub(1));
    match ask_for(ask, 0, patience) {
        Answer::Right(_) if last > 0 => ask_for(ask, last, patience),
        answer => answer,
    }
}

fn ask_for(ask: &Ask, number: u32, patience: Duration) -> Answer {
    let compared = match ask.protocol {
        Protocol::Http => http_answer(ask, number, patience).map(|bytes| compare(ask, &bytes)),
        Protocol::Redis => redis_answer(ask, patience).map(|line| compare_line(ask, &line)),
    };
    match compared {
        Ok(answer) => answer,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::NotThere,
        Err(error) => Answer::Wrong(format!("cannot ask {} {}: {error}", ask.address, ask.path)),
    }
}

/// A simple string of RESP: `+`, the text, CR LF.
fn redis_answer(ask: &Ask, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&ask.address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(format!("{}\r\n", ask.path).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

fn compare_line(ask: &Ask, line: &str) -> Answer {
    if line.trim_end() == format!("+{}", ask.body) {
        return Answer::Right(line.len());
    }
    Answer::Wrong(format!("{} is answered {line:?}, and \"+{}\" is right", ask.path, ask.body))
}

fn http_answer(ask: &Ask, number: u32, patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&ask.address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&http::request(ask, number))?;
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = stream.read(&mut part)?;
        bytes.extend_from_slice(&part[..length]);
        match http::head(&bytes).map_err(io::Error::other)? {
            Some(head) if bytes.len() >= head.total => return Ok(bytes),
            _ if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

fn compare(ask: &Ask, bytes: &[u8]) -> Answer {
    let Ok(Some(head)) = http::head(bytes) else { return Answer::Wrong("half an answer".to_owned()) };
    let body = String::from_utf8_lossy(&bytes[head.length..]);
    if head.status == 200 && head.content_type.starts_with(&ask.content_type) && body == ask.body {
        return Answer::Right(bytes.len());
    }
    Answer::Wrong(format!(
        "{} is answered {} {} {body:?}, and 200 {} {:?} is right",
        ask.path, head.status, head.content_type, ask.content_type, ask.body
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Hosts;
    use std::net::TcpListener;
    use std::thread;

    /// What is thought of a server that answers each connection with the next of `answers`, and what it was sent.
    fn thought_of(
        protocol: Protocol,
        hosts: Option<Hosts>,
        answers: &'static [&'static str],
    ) -> (Answer, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut sent = String::new();
            for answer in answers {
                let mut stream = listener.accept().unwrap().0;
                let mut part = [0; 1024];
                let length = stream.read(&mut part).unwrap();
                sent.push_str(&String::from_utf8_lossy(&part[..length]));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            sent
        });
        let text = |text: &str| text.to_owned();
        let ask = Ask {
            address,
            path: text("PING"),
            content_type: String::new(),
            body: text("PONG"),
            protocol,
            hosts,
        };
        let answer = super::ask(&ask, Duration::from_secs(20));
        (answer, server.join().unwrap())
    }

    #[test]
    fn redis_says_a_line() {
        let (answer, sent) = thought_of(Protocol::Redis, None, &["+PONG\r\n"]);
        assert!(matches!(answer, Answer::Right(7)) && sent == "PING\r\n", "{answer:?} {sent}");
        let (answer, _) = thought_of(Protocol::Redis, None, &["-NOAUTH\r\n"]);
        assert!(matches!(&answer, Answer::Wrong(how) if how.contains("\"-NOAUTH")), "{answer:?}");
    }

    #[test]
    fn the_first_host_and_the_last_are_asked_for() {
        const RIGHT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nPONG";
        const WRONG: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        let hosts = || Some(Hosts { before: "a".into(), after: ".test".into(), count: 50 });
        let (answer, sent) = thought_of(Protocol::Http, hosts(), &[RIGHT, RIGHT]);
        assert!(matches!(answer, Answer::Right(length) if length == RIGHT.len()), "{answer:?}");
        assert!(
            sent.contains("Host: a00000000.test\r\n") && sent.contains("Host: a00000049.test\r\n"),
            "{sent}"
        );
        let (answer, _) = thought_of(Protocol::Http, hosts(), &[RIGHT, WRONG]);
        assert!(matches!(&answer, Answer::Wrong(how) if how.contains("404")), "{answer:?}");
    }
}
