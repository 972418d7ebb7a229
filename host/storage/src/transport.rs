//! HTTP and TLS: the one place that chooses the crypto provider, the roots and the time to connect.

use std::io::Read;
use std::path::Path;
use std::sync::Once;

use opendal::HttpTransporter;
use opendal_http_transport_reqwest::ReqwestTransport;

use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::options::Tuning;

/// Makes ring the crypto provider of rustls in this process, once. A provider that is there already is kept.
///
/// [`crate::Storage::open`] does it; a program that uses rustls elsewhere may call it first thing.
pub fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails only when there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// # Errors
/// [`ErrorKind::InvalidUrl`] when the certificates cannot be used.
pub(crate) fn transport(location: &str, tuning: &Tuning) -> Result<HttpTransporter, Error> {
    install_tls_provider();
    let invalid = |cause: String| {
        Error::new(ErrorKind::InvalidUrl, "use", location, cause)
            .with_hint("give a PEM file of certificates as the option ca-certificate")
    };
    let mut builder = reqwest::Client::builder()
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::limited(3))
        .pool_max_idle_per_host(tuning.concurrency);
    if let Some(path) = &tuning.ca_certificate {
        let pem = read_certificates(path).map_err(|error| {
            invalid(format!("could not read the certificates {}: {error}", path.display()))
        })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| invalid(format!("{} holds no valid certificates", path.display())))?;
        if certificates.is_empty() {
            return Err(invalid(format!("{} holds no certificates", path.display())));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    let client =
        builder.build().map_err(|error| invalid(format!("could not set up HTTP: {error}")))?;
    Ok(HttpTransporter::new(ReqwestTransport::new(client)))
}

fn read_certificates(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    std::fs::File::open(path)?.take(limits::CERTIFICATES_BYTES_MAX).read_to_end(&mut pem)?;
    Ok(pem)
}
