//! HTTPS with hyper and rustls. The master sees to it that there is a certificate; all its workers, now and later, read the same one.

use std::convert::Infallible;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use forker::{Stopping, Worker};
use forker_examples::{Flags, Served, beat, serve_http};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// HTTPS from several processes.
#[derive(Parser)]
struct TlsFlags {
    #[command(flatten)]
    common: Flags,
    /// A folder with cert.pem and key.pem; without them, ones for `localhost` are made there
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    tls: PathBuf,
}

/// A client that does not finish its handshake is let go after this.
const HANDSHAKE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let flags = TlsFlags::parse();
    make_certificate(&flags.tls)?;
    Ok(forker::run(flags.common.master("hyper_tls"), (), |worker| serve(worker, &flags.tls))?)
}

fn serve(worker: Worker, folder: &Path) -> Served {
    // Read before it is ready: a bad certificate keeps a reload from replacing workers that serve.
    let certificates =
        CertificateDer::pem_file_iter(folder.join("cert.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept(worker, acceptor))
}

async fn accept(mut worker: Worker, acceptor: TlsAcceptor) -> Served {
    let listener = TcpListener::from_std(worker.take_sockets().remove(0).into_tcp_listener()?)?;
    let (stopping, pulse) = (worker.stopping(), worker.pulse());
    let mut connections = JoinSet::new();
    beat(&worker);
    worker.ready();
    loop {
        tokio::select! {
            // First whoever waits, then the end: nobody else may be there to take them.
            biased;
            accepted = listener.accept() => {
                pulse.accepted(1);
                connections.spawn(serve_tls(accepted?.0, acceptor.clone(), stopping.clone()));
            }
            () = stopping.stopped() => break,
        }
        while connections.try_join_next().is_some() {}
    }
    connections.join_all().await;
    Ok(())
}

/// A handshake that has begun is finished, and its request answered, whether or not the worker is to stop.
async fn serve_tls(stream: TcpStream, acceptor: TlsAcceptor, stopping: Stopping) {
    if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
        serve_http(stream, service_fn(answer), stopping).await;
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(format!("hyper_tls {}\n", std::process::id())))
}

/// Workers run this, too, and find what the master has made. The key comes last, so that there is never one without its certificate.
fn make_certificate(folder: &Path) -> Served {
    if fs::exists(folder.join("key.pem"))? {
        return Ok(());
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(folder.join("cert.pem"), made.cert.pem())?;
    let mut key =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join("key.pem"))?;
    Ok(key.write_all(made.signing_key.serialize_pem().as_bytes())?)
}
