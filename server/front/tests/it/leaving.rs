//! Clients that go before their answer has come.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use http_front::{ClientGone, Settings};
use rustix::net::sockopt;

use crate::lab::{Front, get, rest};

fn front(client_gone: ClientGone) -> Front {
    Front::start(Settings { client_gone, access_log: false, ..Settings::default() })
}

const POST: &[u8] = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let front = front(ClientGone::Abandon);
    let mut gone = 0;
    let reset = |client: TcpStream| {
        sockopt::set_socket_linger(&client, Some(std::time::Duration::ZERO)).unwrap();
    };
    let ways: [fn(TcpStream); 3] = [drop, |client| client.shutdown(Shutdown::Write).unwrap(), reset];
    for leave in ways {
        for request in [get("/a", false).as_slice(), POST] {
            let client = front.client_that_waits(request, gone + 1);
            leave(client);
            gone += 1;
            front.wait_for_dropped(gone);
        }
    }
    let state = front.stats.state();
    assert_eq!((state.abandoned, state.responses), (gone as u64, [0; 5]));
}

#[test]
fn further_requests_do_not_hide_that_a_client_goes() {
    let front = front(ClientGone::Abandon);
    let further = get("/b", false).repeat(20);
    let together = [get("/a", false), further.clone()].concat();
    drop(front.client_that_waits(&together, 1));
    front.wait_for_dropped(1);
    let mut one_by_one = front.client_that_waits(&get("/a", false), 2);
    for bytes in further.chunks(100) {
        one_by_one.write_all(bytes).unwrap();
    }
    drop(one_by_one);
    front.wait_for_dropped(2);
}

#[test]
fn further_requests_of_a_client_that_stays_are_answered_in_order() {
    for client_gone in [ClientGone::Abandon, ClientGone::Finish] {
        let front = front(client_gone);
        let mut client = front.client_that_waits(&get("/a", false), 1);
        // More than is read ahead.
        let many = 2_000;
        let further = [get("/now", false).repeat(many), get("/b", true)].concat();
        let mut writer = client.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&further).unwrap());
        front.release();
        let answers = rest(&mut client);
        writing.join().unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), many + 2, "{client_gone:?}");
        assert!(answers.find("</a>") < answers.find("content-length: 0"), "{client_gone:?}");
        assert!(answers.ends_with("</b>"), "{client_gone:?}: {answers}");
        assert_eq!(front.stats.state().abandoned, 0);
    }
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer_if_that_is_wanted() {
    let front = front(ClientGone::Finish);
    let mut client = front.client_that_waits(&get("/a", true), 1);
    client.shutdown(Shutdown::Write).unwrap();
    // Nobody sees it go, however long it waits: the next one is served meanwhile by the same workers.
    let mut others: Vec<_> = (0..8).map(|_| front.client()).collect();
    for other in &mut others {
        other.write_all(&get("/now", true)).unwrap();
        assert!(rest(other).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(front.dropped(), 0);
    front.release();
    assert!(rest(&mut client).ends_with("</a>"));
}

#[test]
fn what_is_answered_at_once_is_answered_to_whoever_has_said_all() {
    let front = front(ClientGone::Abandon);
    let with_body = b"POST /now HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody".to_vec();
    for request in [get("/now", false), with_body] {
        let mut client = front.client();
        client.write_all(&request).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(rest(&mut client).starts_with("HTTP/1.1 200 OK\r\n"));
    }
}
