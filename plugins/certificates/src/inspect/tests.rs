use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd,
};

use super::*;

fn certificate(key: &KeyPair) -> rcgen::Certificate {
    let mut params = CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "www\u{1b}[2J");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    params.self_signed(key).unwrap()
}

fn what(content: impl AsRef<[u8]>) -> What {
    inspect(content.as_ref()).what
}

#[test]
fn a_certificate_is_public_and_tells_its_end() {
    let key = KeyPair::generate().unwrap();
    let made = certificate(&key);
    for content in [made.pem().into_bytes(), made.der().to_vec()] {
        let inspection = inspect(&content);
        assert_eq!(inspection.what, What::Public);
        let [found] = inspection.certificates.as_slice() else { panic!("{inspection:?}") };
        assert_eq!((found.begins, found.expires), (1_577_836_800, 1_609_459_200));
        assert_eq!(found.subject, r"CN=www\u{1b}[2J");
    }
    let bundle = made.pem().repeat(3);
    assert_eq!(inspect(bundle.as_bytes()).certificates.len(), 3);
}

#[test]
fn what_stands_beside_a_certificate_makes_the_file_secret() {
    let key = KeyPair::generate().unwrap();
    let pem = certificate(&key).pem();
    assert_eq!(what(format!("{pem}{}", key.serialize_pem())), What::PrivateKey);
    assert_eq!(what(format!("password: x\n{pem}")), What::Unknown);
    assert_eq!(what(format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n")), What::Unknown);
    let hidden = STANDARD.encode(b"my password is hunter2");
    for label in
        ["CERTIFICATE", "PUBLIC KEY", "X509 CRL", "CERTIFICATE REQUEST", "DH PARAMETERS", "MINE"]
    {
        let text = format!("-----BEGIN {label}-----\n{hidden}\n-----END {label}-----\n");
        assert_eq!(what(text), What::Unknown, "{label}");
    }
    let with_header = pem.replacen('\n', "\nSecret: hunter2\n", 1);
    assert_eq!(what(with_header), What::Unknown);
    let mut longer = certificate(&key).der().to_vec();
    longer.extend_from_slice(b"hunter2");
    assert_eq!(what(longer), What::Unknown);
}

#[test]
fn keys_are_secret_and_known_by_their_public_half() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let (key, other) =
            (KeyPair::generate_for(algorithm).unwrap(), KeyPair::generate_for(algorithm).unwrap());
        let half = inspect(certificate(&key).der()).certificates[0].half.clone();
        for content in [key.serialize_pem().into_bytes(), key.serialize_der()] {
            let inspection = inspect(&content);
            assert_eq!(inspection.what, What::PrivateKey);
            assert_eq!(inspection.keys, std::slice::from_ref(&half));
        }
        assert_ne!(inspect(other.serialize_pem().as_bytes()).keys, [half]);
        assert_eq!(what(key.public_key_pem()), What::Public);
    }
    for label in
        ["ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "ANY PRIVATE KEY"]
    {
        let text = format!("-----BEGIN {label}-----\nnot base64!\n-----END {label}-----\n");
        assert_eq!(what(text), What::PrivateKey, "{label}");
    }
}

#[test]
fn what_is_not_known_is_secret() {
    let age = "AGE-SECRET-KEY-1QQQQ";
    let known_host = "host ssh-ed25519 AAAA";
    for text in [age, known_host, "password", "\0", "MII=", "0\u{84}\u{ff}\u{ff}", "a:b\n"] {
        assert_eq!(what(text), What::Unknown, "{text:?}");
    }
    assert_eq!(what(vec![b'\n'; INSPECTED_BYTES_MAX as usize + 1]), What::Unknown);
    assert_eq!(what(""), What::Empty);
}

#[test]
fn password_files_are_called_so() {
    for text in [
        "alice:$apr1$abcdefgh$0123456789\n",
        "# users\nbob:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n",
        "root:$y$j9T$abc:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
        "db.example.org:5432:*:backup:hunter\\:2\n",
    ] {
        assert_eq!(what(text), What::Passwords, "{text}");
    }
}

#[test]
fn public_keys_of_ssh_are_public() {
    let kind = b"ssh-ed25519";
    let key = [&11_u32.to_be_bytes()[..], kind, &32_u32.to_be_bytes(), &[7; 32]].concat();
    let key = STANDARD.encode(key);
    assert_eq!(what(format!("ssh-ed25519 {key} me@here\n")), What::Public);
    assert_eq!(what(format!("ssh-rsa {key}\n")), What::Unknown);
    assert_eq!(what(format!("command=\"x\" ssh-ed25519 {key}\n")), What::Unknown);
    assert_eq!(what(format!("ssh-ed25519 {key} the password is x\n")), What::Unknown);
}

#[test]
fn a_java_keystore_shows_its_certificates() {
    let der = certificate(&KeyPair::generate().unwrap()).der().to_vec();
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let block = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let number = |number: u32| number.to_be_bytes().to_vec();
    let store = [
        number(0xfeed_feed),
        number(2),
        number(2),
        number(2),
        text("ca"),
        vec![0; 8],
        text("X.509"),
        block(&der),
        number(1),
        text("key"),
        vec![0; 8],
        block(b"encrypted"),
        number(1),
        text("X.509"),
        block(&der),
    ]
    .concat();
    let inspection = inspect(&store);
    assert_eq!((inspection.what, inspection.certificates.len()), (What::Keystore, 2));
    // Whatever is missing or too long: still a keystore, and no panic.
    for cut in 4..store.len() {
        assert_eq!(what(&store[..cut]), What::Keystore);
    }
    let huge =
        [number(0xfeed_feed), number(2), number(u32::MAX), number(1), vec![0xff; 64]].concat();
    assert_eq!(what(huge), What::Keystore);
}

#[test]
fn damaged_bytes_never_panic() {
    let key = KeyPair::generate().unwrap();
    for sound in
        [certificate(&key).der().to_vec(), key.serialize_der(), key.serialize_pem().into_bytes()]
    {
        for at in 0..sound.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = sound.clone();
                damaged[at] = value;
                inspect(&damaged);
            }
            inspect(&sound[..at]);
        }
    }
}
