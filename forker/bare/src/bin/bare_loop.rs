//! What a server costs that does nothing but answer whatever ends with an empty line: no master, no HTTP library, one thread a process.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use forker_bare::{Served, listen};
use rustix::event::epoll::{CreateFlags, Event, EventData, EventFlags, add, create, wait};

const LISTENER: u64 = 0;
const STAYS: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 11\r\n\r\ngreeting!!!";
const ENDS: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: 11\r\n\r\ngreeting!!!";

fn main() -> Served {
    let listener = listen()?;
    let epoll = create(CreateFlags::CLOEXEC)?;
    add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections = HashMap::new();
    let mut number = LISTENER;
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Some(connection) = accept(&listener)? {
                    number += 1;
                    add(&epoll, &connection, EventData::new_u64(number), EventFlags::IN)?;
                    connections.insert(number, connection);
                }
            } else if let Some(connection) = connections.get_mut(&event.data.u64())
                && !answer(connection)
            {
                // Closing it takes it out of epoll.
                connections.remove(&event.data.u64());
            }
        }
    }
}

fn accept(listener: &TcpListener) -> std::io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((connection, _)) => {
            connection.set_nonblocking(true)?;
            Ok(Some(connection))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the connection stays. Requests are taken to come in one piece, as load generators send them.
fn answer(connection: &mut TcpStream) -> bool {
    let mut request = [0; 4096];
    match connection.read(&mut request) {
        Ok(0) => false,
        Ok(length) => {
            let request = &request[..length];
            let asks_for_end =
                request.windows(17).any(|part| part.eq_ignore_ascii_case(b"connection: close"));
            let answer = if asks_for_end { ENDS } else { STAYS };
            request.ends_with(b"\r\n\r\n") && connection.write_all(answer).is_ok() && !asks_for_end
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
