//! Calls that are made while others are on their way go out together, to a Redis that answers when it is told to.

use super::{cache_at, wait, PATIENCE};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

#[test]
fn calls_gather_while_two_batches_are_on_their_way() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let entering = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(read(&mut client, "*1\r\n$4\r\nPING\r\n".len()), "*1\r\n$4\r\nPING\r\n");
        client.write_all(b"+PONG\r\n").unwrap();
        client
    });
    let cache = cache_at(&address, r#""command-timeout-ms": 60000"#).unwrap();
    let mut client = entering.join().unwrap();

    let [a, b] = ["a", "b"].map(|key| {
        let reply = cache.get(key.as_bytes());
        assert_eq!(read(&mut client, command(key).len()), command(key));
        reply
    });
    let [c, d, e] = ["c", "d", "e"].map(|key| cache.get(key.as_bytes()));
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = client.read(&mut [0; 64]).map_err(|error| error.kind());
    assert!(matches!(early, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{early:?}");

    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"$1\r\n1\r\n").unwrap();
    assert_eq!(wait(a), Ok(Some(b"1".to_vec())));
    let gathered = ["c", "d", "e"].map(command).concat();
    assert_eq!(read(&mut client, gathered.len()), gathered);
    client.write_all(b"$1\r\n2\r\n$1\r\n3\r\n$-1\r\n$1\r\n5\r\n").unwrap();
    let answers = [b, c, d, e].map(|reply| wait(reply).unwrap());
    assert_eq!(answers, [Some(b"2".to_vec()), Some(b"3".to_vec()), None, Some(b"5".to_vec())]);
}

fn command(key: &str) -> String {
    format!("*2\r\n$3\r\nGET\r\n$1\r\n{key}\r\n")
}

fn read(client: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}
