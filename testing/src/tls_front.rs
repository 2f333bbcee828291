//! An end of TLS before a unix socket, with a certificate that only its own authority vouches for.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Listens on a port of loopback, and passes on to a unix socket what it has decrypted. Ends when dropped, with all its connections.
#[derive(Debug)]
pub struct TlsFront {
    _end: oneshot::Sender<()>,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl TlsFront {
    /// Listens on a free port and shows a certificate for `name`, which is of an authority made for this one alone. Connections that come while
    /// nobody listens on the socket are closed.
    ///
    /// # Panics
    /// If loopback has no port to give, or nothing can be written to the folder of temporary files.
    pub fn before(socket: &Path, name: &str) -> TlsFront {
        let (authority, certificate, key) = certificates(name).expect("certificates can be made");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(CA_FILE), authority).expect("a temporary folder can be written");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("the port of a listener");
        listener.set_nonblocking(true).expect("a listener need not block");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate], key))
            .expect("a key and its certificate");
        let (end, ended) = oneshot::channel();
        let (acceptor, socket) = (TlsAcceptor::from(Arc::new(config)), socket.to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, acceptor, socket));
                // Also when the other end is dropped.
                let _ = ended.await;
            });
        });
        TlsFront { _end: end, address, folder }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its authority's certificate, as PEM. The file goes with it.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join(CA_FILE)
    }
}

const CA_FILE: &str = "ca.pem";

/// An authority in PEM, a certificate of it for `name`, and the key of that.
fn certificates(
    name: &str,
) -> Result<(String, CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let authority = params.self_signed(&authority_key)?;
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok((authority.pem(), certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into())))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, socket: PathBuf) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime that has a driver");
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, socket) = (acceptor.clone(), socket.clone());
        tokio::spawn(async move {
            let mut client = acceptor.accept(client).await?;
            let mut server = UnixStream::connect(socket).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}
