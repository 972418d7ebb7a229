//! TLS on the host's side of a connection: the worker sees plain bytes on a socket pair, the keys and the trust stay here.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_trust::EndpointGrant;
use lockgate_types::Failure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::{Endpoint, Target, text_of};
use crate::limits::HANDSHAKE_TIMEOUT;

/// Bytes that wait in each direction of a connection.
const PUMP_BYTES: usize = 64 << 10;
/// How long a closed connection may still be busy.
const LINGER: Duration = Duration::from_secs(5);

/// Trust of each endpoint, read when first needed and kept, so that sessions are resumed.
#[derive(Debug, Default)]
pub struct Trust {
    configs: Mutex<HashMap<String, Arc<ClientConfig>>>,
}

impl Trust {
    /// Makes a connection encrypted, and checks who is at the other end.
    ///
    /// # Errors
    /// What the plugin is told: [`Failure::Auth`] when the certificate is not trusted.
    pub async fn encrypt(
        &self,
        endpoint: &Endpoint,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let config = self.config(endpoint)?;
        let name = endpoint.grant.server_name.as_deref().unwrap_or(&target.address.host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::Config(format!("{target}: {name:?} is no name of a server")))?;
        let handshake = TlsConnector::from(config).connect(name.clone(), stream);
        match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failure_of(&error, endpoint, target, &name.to_str())),
            Err(_) => {
                let seconds = HANDSHAKE_TIMEOUT.as_secs();
                let text = format!("{target}: TLS did not complete within {seconds} s");
                Err(Failure::Unreachable(text))
            }
        }
    }

    fn config(&self, endpoint: &Endpoint) -> Result<Arc<ClientConfig>, Failure> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&endpoint.name) {
            return Ok(Arc::clone(config));
        }
        let roots = roots(&endpoint.grant)
            .map_err(|cause| Failure::Config(format!("endpoint {}: {cause}", endpoint.name)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Other(format!("endpoint {}: {error}", endpoint.name)))?
            .with_root_certificates(roots);
        let config = match client(&endpoint.grant) {
            Ok(None) => Ok(config.with_no_client_auth()),
            Ok(Some((chain, key))) => {
                config.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
            }
            Err(cause) => Err(cause),
        };
        let config = config
            .map_err(|cause| Failure::Config(format!("endpoint {}: {cause}", endpoint.name)))?;
        let config = Arc::new(config);
        configs.insert(endpoint.name.clone(), Arc::clone(&config));
        Ok(config)
    }
}

fn roots(grant: &EndpointGrant) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let source = match &grant.ca_file {
        Some(file) => {
            for certificate in certificates("ca-file", file)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("ca-file {}: {error}", file.display()))?;
            }
            format!("ca-file {} holds", file.display())
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            "the system has".to_owned()
        }
    };
    if roots.is_empty() { Err(format!("{source} no authority to trust")) } else { Ok(roots) }
}

/// By what the host proves to the server who it is.
type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(grant: &EndpointGrant) -> Result<Option<Client>, String> {
    let (Some(chain), Some(key)) = (&grant.cert_file, &grant.key_file) else { return Ok(None) };
    let certificates = certificates("cert-file", chain)?;
    if certificates.is_empty() {
        return Err(format!("cert-file {} holds no certificate", chain.display()));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("could not read key-file {}: {error}", key.display()))?;
    Ok(Some((certificates, key)))
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| format!("could not read {setting} {}: {error}", file.display()))
}

/// A failed handshake in words that say what to look at.
fn failure_of(error: &io::Error, endpoint: &Endpoint, target: &Target, name: &str) -> Failure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let trusted = match &endpoint.grant.ca_file {
        Some(file) => format!("an authority in {}", file.display()),
        None => "an authority of the system".to_owned(),
    };
    let text = match cause {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            // The second is what an authority of the same name with another key looks like.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{target}: the server's certificate is not signed by {trusted}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("{target}: the server's certificate is not for the name {name}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("{target}: the server's certificate has expired")
            }
            other => format!("{target}: the server's certificate is not valid: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            return Failure::Unreachable(format!("{target}: the server does not speak TLS here"));
        }
        Some(other) => return Failure::Unreachable(format!("{target}: TLS failed: {other}")),
        None => {
            return Failure::Unreachable(format!("{target}: TLS failed: {}", text_of(error)));
        }
    };
    Failure::Auth(text)
}

/// Carries bytes between the worker and the server until both have ended. Each end of the stream is handed on by itself, so
/// that a connection may be closed in one direction. Once `open` is dropped on the other side nobody listens any more, and the
/// server has [`LINGER`] to take what is under way.
pub async fn pump(
    mut worker: UnixStream,
    mut server: TlsStream<TcpStream>,
    target: Target,
    open: oneshot::Receiver<()>,
) {
    let carried = copy_bidirectional_with_sizes(&mut worker, &mut server, PUMP_BYTES, PUMP_BYTES);
    tokio::pin!(carried);
    let ended = tokio::select! {
        ended = &mut carried => ended,
        _ = open => timeout(LINGER, carried).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
    };
    match ended {
        Ok((sent, received)) => tracing::debug!(%target, sent, received, "connection ended"),
        // Many servers close without the alert that TLS asks for; what they said before has been handed on.
        Err(error) => tracing::debug!(%target, error = text_of(&error), "connection broke"),
    }
}
