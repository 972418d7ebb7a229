use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Files of an authority made for one test, and of a server's certificate signed by it.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// For `localhost` and 127.0.0.1.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "server of a test");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;

        let files = Self {
            authority: folder.join("authority.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
        };
        fs::write(&files.authority, authority.pem())?;
        fs::write(&files.certificate, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        // PostgreSQL takes no key that others may read.
        fs::set_permissions(&files.key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(files)
    }
}

/// Writes a certificate whose time was over with the year 2020.
///
/// # Errors
/// When the disk refuses.
pub fn expired_certificate(file: &Path) -> Result<()> {
    let mut params = CertificateParams::new(vec!["old.example.org".to_owned()])?;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    fs::write(file, params.self_signed(&KeyPair::generate()?)?.pem())?;
    Ok(())
}
