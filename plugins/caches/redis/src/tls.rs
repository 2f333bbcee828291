//! Which certificates are trusted.

use plugin_sdk::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Trusts the authorities in `ca_file` (PEM), or those of the machine. Server names are always checked.
///
/// # Errors
/// [`Error::invalid`] naming the file and what is wrong with it.
pub(crate) fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let wrong = |reason: String| Error::invalid(format!("ca-file: {}: {reason}", file.display()));
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
                return Err(Error::invalid("address: rediss:// needs trusted certificates, and this machine has none; install ca-certificates or set ca-file"));
            }
        }
    }
    // Named, so that no other crate of the process chooses it for us.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
