//! Connections of plugins: dialled and encrypted by the host.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lockgate_sandbox::{Error, ErrorKind, Limits};
use lockgate_types::{Failure, Retry};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::component::Bodies;
use crate::stage::{Stage, grants};

/// Connects to `server`, sends `ping`, and says what comes back; when the connection fails, returns the failure.
const CONNECT: &str = "(call $connect (i32.const 512) (i32.const 6) (i32.const 1024))
    (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))";
const START_TLS: &str = "(call $start-tls (i32.load (i32.const 1028)) (i32.const 1040))
    (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))";
const TALK: &str =
    "(call $send (i32.load (i32.const 1028)) (i32.const 520) (i32.const 4) (i32.const 1040))
    (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))
    (call $receive (i32.load (i32.const 1028)) (i32.const 100) (i32.const 1056))
    (if (i32.load8_u (i32.const 1056)) (then (return (i32.const 1056))))
    (call $say (i32.load (i32.const 1060)) (i32.load (i32.const 1064)))
    (i32.const 8192)";

fn talk(stage: &Stage, steps: &str, endpoint: &str) -> Result<(), Error> {
    let items = r#"(data (i32.const 512) "server") (data (i32.const 520) "ping")"#;
    let bodies = Bodies { items, check: steps, ..Bodies::default() };
    let grants = grants(&format!("[endpoints.server]\n{endpoint}"));
    let session = stage.session(bodies, &grants, Limits::default());
    let result = session.instance("talk").unwrap().check();
    session.close();
    result.map(drop)
}

/// Answers one connection with `pong` once `ping` came, after `before` did what it needs.
fn server<S: Read + Write>(
    before: impl FnOnce(std::net::TcpStream) -> S + Send + 'static,
) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        let mut stream = before(stream);
        let mut request = [0; 4];
        stream.read_exact(&mut request)?;
        assert_eq!(&request, b"ping");
        stream.write_all(b"pong")?;
        stream.flush()
    });
    (address, thread)
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    fn file(&self, stage: &Stage) -> String {
        let path = stage.folder.path().join("authority.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn server_config(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

fn encrypted(
    config: Arc<ServerConfig>,
    stream: std::net::TcpStream,
) -> StreamOwned<ServerConnection, std::net::TcpStream> {
    StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
}

#[test]
fn plain_bytes_pass() {
    let stage = Stage::new();
    let (address, thread) = server(|stream| stream);
    let endpoint = format!("address = '{address}'\nencryption = 'off'");
    talk(&stage, &format!("{CONNECT} {TALK}"), &endpoint).unwrap();
    assert_eq!(stage.heard.lines(), ["talk: pong"]);
    thread.join().unwrap().unwrap();
}

#[test]
fn tls_is_done_by_the_host_at_once_or_when_asked() {
    let authority = Authority::new();
    for (encryption, steps) in
        [("immediate", CONNECT.to_owned()), ("start", format!("{CONNECT} {START_TLS}"))]
    {
        let stage = Stage::new();
        let config = authority.server_config("db.example");
        let (address, thread) = server(move |stream| encrypted(config, stream));
        let endpoint = format!(
            "address = '{address}'\nencryption = '{encryption}'\nserver-name = 'db.example'\nca-file = '{}'",
            authority.file(&stage)
        );
        talk(&stage, &format!("{steps} {TALK}"), &endpoint).unwrap();
        assert_eq!(stage.heard.lines(), ["talk: pong"], "{encryption}");
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn certificates_that_do_not_fit_are_refused_with_the_reason() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (authority, name, reason) in [
        (&theirs, "db.example", "is not signed by an authority in"),
        (&ours, "other.example", "is not for the name db.example"),
    ] {
        let stage = Stage::new();
        let config = authority.server_config(name);
        let (address, thread) = server(move |stream| encrypted(config, stream));
        let endpoint = format!(
            "address = '{address}'\nencryption = 'immediate'\nserver-name = 'db.example'\nca-file = '{}'",
            ours.file(&stage)
        );
        let error = talk(&stage, &format!("{CONNECT} {TALK}"), &endpoint).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Failure(Failure::Auth(_))), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains(&format!("endpoint server ({address})")), "{error}");
        assert!(thread.join().unwrap().is_err());
    }
}

#[test]
fn a_server_without_tls_is_called_so() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"5.5.5-10.11.6-MariaDB hello").unwrap();
    });
    let endpoint = format!("address = '{address}'\nencryption = 'immediate'");
    let error = talk(&stage, &format!("{CONNECT} {TALK}"), &endpoint).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Failure(Failure::Unreachable(_))), "{error}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    thread.join().unwrap();
}

#[test]
fn a_refused_connection_names_endpoint_and_address() {
    let stage = Stage::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = talk(
        &stage,
        &format!("{CONNECT} {TALK}"),
        &format!("address = '{address}'\nencryption = 'off'"),
    );
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "plugin tested, instance talk: unreachable: endpoint server ({address}): {address}: connection refused"
        )
    );
    assert_eq!(error.retry(), Retry::Later);
}

#[test]
fn tls_is_denied_where_the_grant_says_off() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = format!("address = '{address}'\nencryption = 'off'");
    let error = talk(&stage, &format!("{CONNECT} {START_TLS} {TALK}"), &endpoint).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Denied, "{error}");
}

#[test]
fn a_connection_may_be_closed_in_one_direction() {
    let authority = Authority::new();
    let close = "(call $close-write (i32.load (i32.const 1028)) (i32.const 1040))
        (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))";
    let (send, receive) = TALK.split_once("(call $receive").unwrap();
    let steps = format!("{CONNECT} {send} {close} (call $receive {receive}");
    for encryption in ["off", "immediate"] {
        let stage = Stage::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = authority.server_config("db.example");
        let mut endpoint = format!("address = '{address}'\nencryption = '{encryption}'");
        if encryption == "immediate" {
            let file = authority.file(&stage);
            endpoint += &format!("\nserver-name = 'db.example'\nca-file = '{file}'");
        }
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            if encryption == "off" {
                (&stream).read_to_end(&mut request).unwrap();
                (&stream).write_all(b"pong").unwrap();
            } else {
                let mut stream = encrypted(config, stream);
                stream.read_to_end(&mut request).unwrap();
                stream.write_all(b"pong").unwrap();
                stream.flush().unwrap();
            }
            request
        });
        talk(&stage, &steps, &endpoint).unwrap();
        assert_eq!(thread.join().unwrap(), b"ping");
        assert_eq!(stage.heard.lines(), ["talk: pong"], "{encryption}");
    }
}

#[test]
fn waiting_for_a_silent_server_ends_with_the_run() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let grants =
        grants(&format!("[endpoints.server]\naddress = '{address}'\nencryption = 'immediate'"));
    let steps = format!("{CONNECT} {TALK}");
    let items = r#"(data (i32.const 512) "server") (data (i32.const 520) "ping")"#;
    let bodies = Bodies { items, check: &steps, ..Bodies::default() };
    let plugin = stage.plugin(bodies);
    let session = stage.try_session(&plugin, &grants, Limits::default()).unwrap();
    let mut instance = session.instance("talk").unwrap();
    let began = Instant::now();
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| instance.check().unwrap_err());
        let _silent = listener.accept().unwrap();
        session.cancel();
        call.join().unwrap()
    });
    assert_eq!(error.kind(), &ErrorKind::Cancelled, "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    session.close();
    // The same with a deadline: the worker is killed and the host does not wait for the server either.
    let limits = Limits { inspect_ms: 300, ..Limits::default() };
    let session = stage.try_session(&plugin, &grants, limits).unwrap();
    let mut instance = session.instance("talk").unwrap();
    let began = Instant::now();
    let error = instance.check().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Deadline, "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    session.close();
}

#[test]
fn a_server_that_takes_the_call_and_says_nothing_is_given_up() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let grants = grants(&format!("[endpoints.server]\naddress = '{address}'\nencryption = 'off'"));
    let steps = format!("{CONNECT} {TALK}");
    let items = r#"(data (i32.const 512) "server") (data (i32.const 520) "ping")"#;
    let bodies = Bodies { items, check: &steps, ..Bodies::default() };
    let limits = Limits { silence_ms: 300, ..Limits::default() };
    let session = stage.session(bodies, &grants, limits);
    let began = Instant::now();
    let error = session.instance("talk").unwrap().check().unwrap_err();
    assert!(error.to_string().contains("server: the server was silent for 0.3 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    session.close();
}
