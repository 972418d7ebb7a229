//! The header by which the host says for whom a request is. Only the host ever holds it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use lockgate_trust::HttpScheme;
use lockgate_types::Failure;
use zeroize::Zeroizing;

use crate::session::credential::Credentials;
use crate::session::dial::Endpoint;

/// The name of the header that the host adds, where the grant names a credential.
pub fn name_of(endpoint: &Endpoint) -> Option<HeaderName> {
    endpoint.grant.credential.as_ref()?;
    match (endpoint.grant.scheme, &endpoint.grant.header) {
        (Some(HttpScheme::Header), Some(name)) => name.parse().ok(),
        _ => Some(AUTHORIZATION),
    }
}

/// The header with its value.
///
/// # Errors
/// When the secret cannot be had, or cannot stand in a header.
pub fn header_of(
    endpoint: &Endpoint,
    credentials: &Credentials,
) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
    let (Some(name), Some(credential)) = (name_of(endpoint), &endpoint.grant.credential) else {
        return Ok(None);
    };
    let secret = credentials.secret_of(credential.as_str())?;
    let text = match endpoint.grant.scheme {
        Some(HttpScheme::Basic) => {
            let principal = credentials.principal_of(credential.as_str())?;
            basic(&principal, &secret)?
        }
        Some(HttpScheme::Bearer) => Zeroizing::new([b"Bearer ", secret.as_slice()].concat()),
        Some(HttpScheme::Header) | None => Zeroizing::new(secret.to_vec()),
    };
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| {
        let text = "the secret has characters that cannot stand in a header";
        Failure::Config(format!("credential {credential}: {text}"))
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// `Basic`, then user name, colon and password in base64 (RFC 7617, section 2).
fn basic(principal: &str, secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if principal.contains(':') {
        let text = format!("principal {principal:?}: a user name with a colon cannot be sent");
        return Err(Failure::Config(text));
    }
    let pair = Zeroizing::new([principal.as_bytes(), b":", secret].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&pair));
    Ok(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7617, sections 2 and 2.1.
    #[test]
    fn basic_is_encoded_as_the_standard_shows() {
        let encoded = |name, secret: &str| basic(name, secret.as_bytes()).unwrap().to_vec();
        assert_eq!(encoded("Aladdin", "open sesame"), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(encoded("test", "123£"), b"Basic dGVzdDoxMjPCow==");
        assert!(matches!(basic("a:b", b"c"), Err(Failure::Config(_))));
    }
}
