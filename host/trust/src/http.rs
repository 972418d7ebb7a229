//! What an endpoint's grant says of the client: its certificate, and the credential of HTTP requests.

use crate::{Encryption, EndpointGrant, GrantError, Grants, HttpScheme, Subject};

/// Headers in which no credential stands: they say how a message travels, and the host writes them itself.
const OF_THE_MESSAGE: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"];

impl EndpointGrant {
    pub(crate) fn check_client(&self, name: &str, grants: &Grants) -> Result<(), GrantError> {
        let fault = |reason: &str| Err(GrantError::new(Subject::Endpoint, name, reason));
        if self.cert_file.is_some() != self.key_file.is_some() {
            return fault("needs both of `cert-file` and `key-file`, or neither");
        }
        if self.cert_file.is_some() && self.encryption == Encryption::Off {
            return fault("has `cert-file`, which means nothing with `encryption = \"off\"`");
        }
        match (&self.credential, self.scheme, &self.header) {
            (None, None, None) => Ok(()),
            (None, ..) => fault("has `scheme` or `header` without `credential`"),
            (Some(credential), ..) if !grants.credentials.contains_key(credential) => fault(
                &format!("names the credential {:?}, which is not there", credential.as_str()),
            ),
            (_, None, _) => fault("has `credential` and no `scheme`: basic, bearer or header"),
            (_, Some(HttpScheme::Header), Some(header)) if is_usable(header) => Ok(()),
            (_, Some(HttpScheme::Header), Some(_)) => fault("has a `header` that cannot be used"),
            (_, Some(HttpScheme::Header), None) => {
                fault("has `scheme = \"header\"` and no `header`")
            }
            (_, Some(_), Some(_)) => fault("has `header`, which belongs to `scheme = \"header\"`"),
            (_, Some(_), None) => Ok(()),
        }
    }
}

/// A name of RFC 9110, section 5.1, that does not say how the message travels.
fn is_usable(header: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=64).contains(&header.len())
        && header.bytes().all(is_token)
        && !OF_THE_MESSAGE.iter().any(|name| header.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoint: &str) -> Result<(), String> {
        let text = format!(
            "[endpoints.s]\naddress = 'a:1'\n{endpoint}\n\
             [credentials.account]\nprincipal = 'p'\nsecret-file = '/s'"
        );
        toml::from_str::<Grants>(&text).unwrap().check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_credential_is_used_in_one_way_that_makes_sense() {
        for good in [
            "credential = 'account'\nscheme = 'basic'",
            "credential = 'account'\nscheme = 'bearer'",
            "credential = 'account'\nscheme = 'header'\nheader = 'X-Api-Key'",
            "cert-file = '/c'\nkey-file = '/k'",
        ] {
            check(good).unwrap();
        }
        for (bad, says) in [
            ("scheme = 'basic'", "without `credential`"),
            ("credential = 'account'", "no `scheme`"),
            ("credential = 'other'\nscheme = 'basic'", "\"other\", which is not there"),
            ("credential = 'account'\nscheme = 'header'", "no `header`"),
            ("credential = 'account'\nscheme = 'basic'\nheader = 'X'", "belongs to"),
            ("credential = 'account'\nscheme = 'header'\nheader = 'Host'", "cannot be used"),
            ("credential = 'account'\nscheme = 'header'\nheader = 'a b'", "cannot be used"),
            ("cert-file = '/c'", "both of"),
            ("cert-file = '/c'\nkey-file = '/k'\nencryption = 'off'", "means nothing"),
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
