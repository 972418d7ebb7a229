//! Who is at the other end, and who we are.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::{Server, read_request};
use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// Files with a client's certificate and key.
    fn client(&self, folder: &Path) -> String {
        let (certificate, key) = self.issue("client");
        let files = [folder.join("client.pem"), folder.join("client.key")];
        std::fs::write(&files[0], certificate.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        format!("cert-file = '{}'\nkey-file = '{}'", files[0].display(), files[1].display())
    }

    /// A server that answers one request of each connection; with `clients`, only to clients that this authority vouches for.
    fn server(&self, clients: Option<&Self>) -> Server {
        let (certificate, key) = self.issue("search.example");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from(authority.0.der().to_vec())).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = Arc::new(config.with_single_cert(chain, key).unwrap());
        Server::new(move |stream, seen| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            while let Some(request) = read_request(&mut stream) {
                seen.lock().unwrap().push(request);
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if stream
                    .get_mut()
                    .write_all(response)
                    .and_then(|()| stream.get_mut().flush())
                    .is_err()
                {
                    return;
                }
            }
        })
    }
}

fn endpoint(authority: &Authority, folder: &Path) -> String {
    let file = authority.file(folder);
    format!(
        "encryption = 'immediate'\nserver-name = 'search.example'\nca-file = '{}'\n",
        file.display()
    )
}

#[test]
fn requests_over_tls_share_a_connection_and_name_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = authority.server(None);
    let mut stage = Stage::new(server.address, &endpoint(&authority, folder.path()));
    for _ in 0..3 {
        assert_eq!(stage.get("/").unwrap().1, b"ok");
    }
    assert_eq!(server.connections(), 1);
    let host = format!("\r\nhost: search.example:{}\r\n", server.address.port());
    assert!(server.seen()[0].head.contains(&host), "{:?}", server.seen());
}

#[test]
fn a_server_that_others_vouch_for_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Authority::new().server(None);
    let mut stage = Stage::new(server.address, &endpoint(&Authority::new(), folder.path()));
    let failure = stage.get("/").unwrap_err();
    assert!(
        matches!(&failure, Failure::Auth(text) if text.contains("not signed by")),
        "{failure:?}"
    );
    let more =
        endpoint(&Authority::new(), folder.path()).replace("search.example", "other.example");
    let failure = Stage::new(server.address, &more).get("/").unwrap_err();
    assert!(matches!(failure, Failure::Auth(_)), "{failure:?}");
    drop(stage);
    assert!(server.end().is_empty());
}

#[test]
fn a_server_that_asks_who_we_are_is_told_by_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, strangers) = (Authority::new(), Authority::new());
    let server = authority.server(Some(&authority));
    let trust = endpoint(&authority, folder.path());
    let failure = Stage::new(server.address, &trust).get("/").unwrap_err();
    assert!(matches!(&failure, Failure::Auth(text) if text.contains("cert-file")), "{failure:?}");
    let more = trust.clone() + &strangers.client(folder.path());
    let failure = Stage::new(server.address, &more).get("/").unwrap_err();
    assert!(matches!(failure, Failure::Auth(_)), "{failure:?}");
    let more = trust.clone() + &authority.client(folder.path());
    assert_eq!(Stage::new(server.address, &more).get("/").unwrap().1, b"ok");
    let more = trust + "cert-file = '/nonexistent'\nkey-file = '/nonexistent'";
    let failure = Stage::new(server.address, &more).get("/").unwrap_err();
    assert!(matches!(&failure, Failure::Config(text) if text.contains("cert-file")), "{failure:?}");
}
