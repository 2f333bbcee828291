//! A TCP port of loopback before a unix socket, which can be cut, closed and stalled.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Passes bytes between its port and a unix socket, each connection on threads of its own, which end with their connection.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    ended: AtomicBool,
    stalled: Mutex<bool>,
    resumed: Condvar,
}

impl Relay {
    /// Listens on a free port. Connections that come while nobody listens on the socket are closed at once.
    ///
    /// # Panics
    /// If loopback has no port to give.
    pub fn before(socket: &Path) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("the port of a listener");
        let shared = Arc::new(Shared::default());
        let (accepting, socket) = (Arc::clone(&shared), socket.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                accepting.join(client, &socket);
            }
        });
        Relay { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has taken.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Cuts all connections that are open now.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Holds back all answers, of present connections and later ones, as a network that loses everything; `false` lets them go.
    pub fn stall(&self, stalled: bool) {
        *lock(&self.shared.stalled) = stalled;
        self.shared.resumed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.stall(false);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream, socket: &Path) {
        let Ok(server) = UnixStream::connect(socket) else { return };
        let _ = client.set_nodelay(true);
        let (Ok(kept), Ok(mut from_client), Ok(mut to_server)) =
            (client.try_clone(), client.try_clone(), server.try_clone())
        else {
            return;
        };
        lock(&self.connections).push(kept);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let shared = Arc::clone(self);
        thread::spawn(move || shared.answer(server, client));
    }

    fn answer(&self, mut server: UnixStream, mut client: TcpStream) {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = server.read(&mut buffer) {
            let stalled = lock(&self.stalled);
            drop(
                self.resumed.wait_while(stalled, |stalled| *stalled).unwrap_or_else(PoisonError::into_inner),
            );
            if client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
