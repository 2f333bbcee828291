//! Listening sockets that somebody else has made.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use http_front::{FrontError, Listeners, Settings};

use crate::lab::{Front, PATIENCE, connect, get, rest};

fn quiet() -> Settings {
    Settings { access_log: false, ..Settings::default() }
}

/// Blocking, as the standard library makes it.
fn listener(host: &str) -> TcpListener {
    TcpListener::bind((host, 0)).unwrap()
}

fn ask(address: SocketAddr) -> String {
    let mut client = connect(address);
    client.write_all(&get("/now", true)).unwrap();
    rest(&mut client)
}

#[test]
fn all_workers_serve_at_all_that_are_given() {
    let given = [listener("127.0.0.1"), listener("127.0.0.1"), listener("::1")];
    let addresses = given.each_ref().map(|socket| socket.local_addr().unwrap());
    for workers in [0, 1, 3] {
        let copies = given.iter().map(|socket| socket.try_clone().unwrap()).collect();
        let listeners = Listeners::share(copies, workers).unwrap();
        assert_eq!(listeners.addresses().unwrap(), addresses);
        let front = Front::start_at(listeners, quiet());
        for address in addresses.iter().cycle().take(12) {
            assert!(ask(*address).starts_with("HTTP/1.1 200 OK\r\n"), "{workers} workers, {address}");
        }
        assert_eq!(front.stats.state().connections_accepted, 12);
    }
}

#[test]
fn a_socket_that_is_busy_keeps_no_other_from_its_turn() {
    let (busy, other) = (listener("127.0.0.1"), listener("127.0.0.1"));
    let (busy_address, other_address) = (busy.local_addr().unwrap(), other.local_addr().unwrap());
    // Fewer slots than connections: those that wait at the first may not be taken all before the one at the second.
    let mut waiting: Vec<TcpStream> = (0..20).map(|_| connect(busy_address)).collect();
    let mut second = connect(other_address);
    second.write_all(&get("/now", true)).unwrap();
    let listeners = Listeners::share(vec![busy, other], 1).unwrap();
    // Those who wait without a word keep their slots for longer than anybody waits here.
    let settings = Settings { max_connections: 4, read_timeout: 10 * PATIENCE, ..quiet() };
    let _front = Front::start_at(listeners, settings);
    assert!(rest(&mut second).starts_with("HTTP/1.1 200 OK\r\n"));
    waiting.clear();
}

#[test]
fn what_waits_at_a_shared_socket_is_left_to_the_next() {
    let kept = listener("127.0.0.1");
    let share = || Listeners::share(vec![kept.try_clone().unwrap()], 2).unwrap();
    let mut waiting = {
        let front = Front::start_at(share(), Settings { max_connections: 1, ..quiet() });
        // Takes the only slot, so that all who come then wait: one at each worker, which has accepted it already, the others in the queue.
        let _open = front.client_that_waits(&get("/a", false), 1);
        let clients: Vec<TcpStream> = (0..10).map(|_| front.client()).collect();
        front.release();
        front.stop();
        clients
    };
    let _next = Front::start_at(share(), quiet());
    let mut answered = 0;
    for client in &mut waiting {
        // The two whom the first had accepted already said nothing while it still listened to them.
        if client.write_all(&get("/now", true)).is_ok() {
            let _ = client.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = std::io::Read::read_to_end(client, &mut answer);
            answered += usize::from(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
    }
    assert!(answered >= 8, "{answered} of 10");
}

#[test]
fn what_waits_at_a_socket_of_ones_own_is_served_before_the_end() {
    let own = listener("127.0.0.1");
    let address = own.local_addr().unwrap();
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    for client in &mut clients {
        client.write_all(&get("/now", false)).unwrap();
    }
    // Told to stop before it accepts any.
    Front::start_at_the_end(vec![own].into(), quiet()).stop();
    for client in &mut clients {
        assert!(rest(client).starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn what_is_no_listener_is_refused() {
    assert!(matches!(Listeners::share(vec![], 1), Err(FrontError::NoListener)));
    let one = listener("127.0.0.1");
    let connected = TcpStream::connect(one.local_addr().unwrap()).unwrap();
    let no_listener = TcpListener::from(std::os::fd::OwnedFd::from(connected));
    let error = Listeners::share(vec![one, no_listener], 2).unwrap_err();
    assert!(matches!(error, FrontError::Listener(_)), "{error}");
    let (stats, (_stopper, stop)) = (std::sync::Arc::default(), http_front::stopper());
    let refused = http_front::serve(crate::lab::Nothing, vec![], &quiet(), stats, stop);
    assert!(matches!(refused, Err(FrontError::NoListener)));
}
