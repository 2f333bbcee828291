//! HTTPS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::service::Service;
use crate::{reload, start, stop};

/// A client that trusts the certificate in `folder` and no other.
fn client(folder: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()).unwrap();
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn handshake(service: &Service, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut stream = TcpStream::connect(service.tcp()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    StreamOwned::new(connection, stream)
}

fn ask(mut stream: StreamOwned<ClientConnection, TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    // Ends with close_notify, or this is an error.
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn all_workers_have_the_certificate_that_the_first_start_made() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--workers", "2", "--tls", folder.path().to_str().unwrap()];
    let begin = || start(env!("CARGO_BIN_EXE_hyper_tls"), &flags);
    let service = begin();
    let config = client(folder.path());
    for _ in 0..8 {
        let answer = ask(handshake(&service, &config));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("hyper_tls"), "{answer}");
    }
    let waiting = handshake(&service, &config);
    let asked = std::thread::scope(|scope| {
        let reloading = scope.spawn(|| reload(&service));
        while service.status().generation == 1 {
            std::thread::yield_now();
        }
        let asked = ask(waiting);
        reloading.join().unwrap();
        asked
    });
    assert!(asked.contains("hyper_tls"), "{asked}");
    assert!(ask(handshake(&service, &config)).contains("hyper_tls"));
    stop(service);

    let again = begin();
    assert!(ask(handshake(&again, &config)).contains("hyper_tls"), "what is there is read");
    stop(again);
}

#[test]
fn a_bad_certificate_is_said_and_nothing_serves() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let flags = ["--workers", "2", "--tls", folder.path().to_str().unwrap()];
    let output = Service::command_by(&folder, &flags, &[env!("CARGO_BIN_EXE_hyper_tls")]).status().unwrap();
    assert!(!output.success());
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.to_lowercase().contains("no items found") || log.to_lowercase().contains("pem"), "{log}");
}
