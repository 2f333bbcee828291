//! Which certificates are trusted.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why no server could be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file of authorities is of no use.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The machine has no authorities, and no file was named.
    #[error("rediss:// needs trusted certificates, and this machine has none; install ca-certificates or set ca-file")]
    NoneHere,
    /// The library has none of the protocol's versions.
    #[error(transparent)]
    Versions(#[from] rustls::Error),
}

/// Trusts the authorities in `ca_file` (PEM), or those of the machine. Server names are always checked.
///
/// # Errors
/// [`TlsError`].
pub fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let wrong = |reason: String| TlsError::File { path: file.to_owned(), reason };
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("holds no certificate in PEM".to_owned()));
            }
        }
        None => {
            // Some of the machine's may be unreadable; a missing one shows when the server's is checked.
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoneHere);
            }
        }
    }
    // Named, so that no other crate of the process chooses it for us.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
