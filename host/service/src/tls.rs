use std::path::Path;
use std::sync::Arc;

use lockgate_engine::configuration::Tls;
use lockgate_operations::{Error, ErrorKind, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Reads the certificate and its key. TLS 1.2 and 1.3, no client certificates.
pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("cert-file", &tls.cert_file, &error))?;
    if certificates.is_empty() {
        return Err(wrong("cert-file", &tls.cert_file, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .map_err(|error| wrong("key-file", &tls.key_file, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| wrong("cert-file", &tls.cert_file, &error))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(configuration)))
}

fn wrong(setting: &str, path: &Path, cause: &dyn std::fmt::Display) -> Error {
    let message = format!("[service] tls.{setting} {}: {cause}", path.display());
    Error::new(ErrorKind::Configuration, message)
}
