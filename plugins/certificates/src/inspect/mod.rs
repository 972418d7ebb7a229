//! What a file is, told by its content. Whatever is not known to be public is secret.

mod certificate;
mod der;
mod key;
mod keystore;
mod passwords;
mod pem;
mod ssh;

pub use certificate::Certificate;
pub use key::PublicHalf;

/// Larger files are not looked into, and so are secret. No key and few bundles are as large.
pub const INSPECTED_BYTES_MAX: u64 = 1 << 20;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It has no content.
    Empty,
    /// Certificates, public keys, requests, revocation lists or parameters, and nothing else.
    Public,
    /// It holds a private key.
    PrivateKey,
    /// A Java keystore or PKCS #12.
    Keystore,
    /// Names with passwords, encrypted or not.
    Passwords,
    /// Anything else.
    Unknown,
}

impl What {
    /// Whether it is known to be secret, so that no setting makes it public.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::PrivateKey | Self::Keystore | Self::Passwords)
    }

    /// Whether it is known to be public.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Empty | Self::Public)
    }

    /// For people, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty-files",
            Self::Public => "public-files",
            Self::PrivateKey => "private-keys",
            Self::Keystore => "keystores",
            Self::Passwords => "password-files",
            Self::Unknown => "other-files",
        }
    }
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What the file is as a whole.
    pub what: What,
    /// The certificates that can be read, in their order.
    pub certificates: Vec<Certificate>,
    /// The public halves of the private keys that can be read.
    pub keys: Vec<PublicHalf>,
    /// When the first revocation list expires, in seconds since 1970.
    pub list_expires: Option<i64>,
}

impl Inspection {
    fn of(what: What) -> Self {
        Self { what, certificates: Vec::new(), keys: Vec::new(), list_expires: None }
    }
}

/// Looks into a file's content.
pub fn inspect(content: &[u8]) -> Inspection {
    if content.is_empty() {
        return Inspection::of(What::Empty);
    }
    if content.len() as u64 > INSPECTED_BYTES_MAX {
        return Inspection::of(What::Unknown);
    }
    if let Some(file) = pem::parse(content) {
        return of_pem(&file);
    }
    if let Some(certificates) = keystore::certificates(content) {
        return Inspection { certificates, ..Inspection::of(What::Keystore) };
    }
    let mut inspection = Inspection::of(What::Unknown);
    inspection.what = if add_public_der(&mut inspection, content) || ssh::is_public(content) {
        What::Public
    } else if let Some(half) = key::of_private(content) {
        inspection.keys.extend(half);
        What::PrivateKey
    } else if passwords::is_password_file(content) {
        What::Passwords
    } else {
        What::Unknown
    };
    inspection
}

fn of_pem(file: &pem::File) -> Inspection {
    let mut inspection = Inspection::of(What::Public);
    let mut is_public = !file.has_other_text;
    for block in &file.blocks {
        if block.label.ends_with("PRIVATE KEY") {
            inspection.what = What::PrivateKey;
            inspection.keys.extend(key::of_private(&block.content).flatten());
        } else {
            is_public &= add_public_block(&mut inspection, block);
        }
    }
    if inspection.what == What::Public && !is_public {
        inspection.what = What::Unknown;
    }
    inspection
}

/// Whether the block is what its label says, and that is public.
fn add_public_block(inspection: &mut Inspection, block: &pem::Block) -> bool {
    let content = &block.content;
    let is_what_it_says = match block.label.as_str() {
        "CERTIFICATE" | "X509 CERTIFICATE" => add_certificate(inspection, content),
        "X509 CRL" => add_list(inspection, content),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => certificate::is_request(content),
        "PUBLIC KEY" => certificate::is_public_key(content),
        "RSA PUBLIC KEY" | "DH PARAMETERS" | "X9.42 DH PARAMETERS" => {
            der::is_sequence_of_integers(content)
        }
        "EC PARAMETERS" => der::is_identifier(content),
        _ => false,
    };
    is_what_it_says && !block.has_headers
}

fn add_public_der(inspection: &mut Inspection, content: &[u8]) -> bool {
    add_certificate(inspection, content)
        || add_list(inspection, content)
        || certificate::is_request(content)
        || certificate::is_public_key(content)
}

fn add_certificate(inspection: &mut Inspection, content: &[u8]) -> bool {
    let certificate = Certificate::parse(content);
    let is_one = certificate.is_some();
    inspection.certificates.extend(certificate);
    is_one
}

fn add_list(inspection: &mut Inspection, content: &[u8]) -> bool {
    let Some(expires) = certificate::revocation_list(content) else { return false };
    inspection.list_expires = [inspection.list_expires, expires].into_iter().flatten().min();
    true
}

#[cfg(test)]
mod tests;
