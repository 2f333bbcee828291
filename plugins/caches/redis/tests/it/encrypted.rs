//! TLS. Redis itself has no network in its image, so what it would do stands before it: an end of TLS with a certificate of its own.

use super::{cache_at, get, set, start};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::ServerConfig;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Ends TLS for a socket, until it is dropped.
struct Front {
    _end: oneshot::Sender<()>,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Front {
    /// Shows a certificate for `name`.
    fn before(socket: &Path, name: &str) -> Front {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let (acceptor, socket) = (TlsAcceptor::from(Arc::new(config)), socket.to_owned());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(accept(listener, acceptor, socket));
                // Also when the other end is dropped.
                let _ = ended.await;
            });
        });
        Front { _end: end, address, folder }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn url(&self, host: &str) -> String {
        format!("rediss://:sesame@{host}:{}/2", self.address.port())
    }
}

async fn accept(listener: StdListener, acceptor: TlsAcceptor, socket: PathBuf) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, socket) = (acceptor.clone(), socket.clone());
        tokio::spawn(async move {
            let mut client = acceptor.accept(client).await?;
            let mut server = UnixStream::connect(socket).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

#[test]
fn a_trusted_certificate_lets_through_and_no_other_does() {
    let Some(redis) = start(&["--requirepass", "sesame"]) else { return };
    let front = Front::before(&redis.socket(), "localhost");
    let trusted = format!(r#""required": true, "ca-file": "{}""#, front.ca_file().display());
    let cache = cache_at(&front.url("localhost"), &trusted).unwrap();
    set(&cache, "k", "v").unwrap();
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));

    // The right authority and another name; the right name and another authority.
    let error = cache_at(&front.url("127.0.0.1"), &trusted).unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    let stranger = Front::before(&redis.socket(), "localhost");
    let error = cache_at(&stranger.url("localhost"), &trusted).unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[test]
fn a_plain_redis_is_not_taken_for_an_encrypted_one() {
    let Some(redis) = start(&[]) else { return };
    let (front, plain) =
        (Front::before(&redis.socket(), "localhost"), test_services::Relay::before(&redis.socket()));
    let settings = format!(r#""required": true, "ca-file": "{}""#, front.ca_file().display());
    let error = cache_at(&format!("rediss://localhost:{}", plain.address().port()), &settings).unwrap_err();
    assert!(error.to_string().contains("Redis at localhost"), "{error}");
}
