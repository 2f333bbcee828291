//! What systemd is told.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::Service;

/// Starts a service that tells `socket` by that name.
fn start(name: &str, socket: &UnixDatagram) -> Service {
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(&folder, &["--workers", "2"]);
    command.env("NOTIFY_SOCKET", name);
    Service::begin(folder, command)
}

/// The next message.
#[track_caller]
fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn systemd_is_told_when_it_serves_reloads_and_stops() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut service = start(path.to_str().unwrap(), &socket);
    assert_eq!(told(&socket), "READY=1");
    service.signal(Signal::HUP);
    // systemd wants to know when: sd_notify(3).
    let reloading = told(&socket);
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{reloading}");
    assert_eq!(told(&socket), "READY=1");
    service.signal(Signal::TERM);
    assert_eq!(told(&socket), "STOPPING=1");
    assert!(service.ended().success());
}

#[test]
fn systemd_is_told_which_master_is_the_service_now() {
    // A name that no file has: unix(7).
    let name = format!("forker-notifying-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut service = start(&format!("@{name}"), &socket);
    assert_eq!(told(&socket), "READY=1");
    service.signal(Signal::USR2);
    // The new one first says that it serves.
    assert_eq!(told(&socket), "READY=1");
    let main = told(&socket);
    assert!(service.ended().success());
    service.follow();
    assert_eq!(main, format!("MAINPID={}", service.pid()));
    service.signal(Signal::TERM);
    assert_eq!(told(&socket), "STOPPING=1");
}
