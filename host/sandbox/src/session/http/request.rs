//! What a plugin asks, checked before anything is sent: a request must not say more than its grant lets it.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Uri};
use lockgate_trust::Encryption;
use lockgate_types::Failure;

use super::body::RequestBody;
use super::credential::{header_of, name_of};
use crate::limits::{HEADERS_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX};
use crate::protocol::HttpRequest;
use crate::session::credential::Credentials;
use crate::session::dial::Endpoint;
use crate::session::shown::shown;

/// Headers that say how a message travels, or to whom. The host writes those that are needed.
const OF_THE_HOST: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
    "via",
];
/// What a header takes beside its name and value: colon, space, and the end of the line.
const HEADER_BYTES: usize = 4;
/// Who asks, when the plugin does not say.
const USER_AGENT: &str = concat!("lockgate/", env!("CARGO_PKG_VERSION"));

/// A request without its body. Shows no secret: the credential's value is marked as sensitive.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: Method,
    pub target: Uri,
    headers: HeaderMap,
}

impl Head {
    /// Checks a request and adds what is the host's to add.
    ///
    /// # Errors
    /// What the plugin is told.
    pub fn new(
        endpoint: &Endpoint,
        request: HttpRequest,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        if endpoint.encryption() == Encryption::Start {
            let text = "http needs `encryption = \"immediate\"` (https) or \"off\" in the grant";
            return Err(Failure::Config(format!("endpoint {}: {text}", endpoint.name)));
        }
        let method = method(&request.method)?;
        let target = target(&request.target)?;
        let mut headers = headers(endpoint, &request)?;
        headers.insert(header::HOST, host(endpoint)?);
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        }
        if let Some((name, value)) = header_of(endpoint, credentials)? {
            headers.insert(name, value);
        }
        Ok(Self { method, target, headers })
    }

    /// With a body, ready to be sent.
    pub fn request(&self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Whether asking twice is the same as asking once and changes nothing (RFC 9110, section 9.2).
    pub fn is_repeatable(&self) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }
}

/// `CONNECT` would make a tunnel of the connection, and `TRACE` would send the credential back.
fn method(text: &str) -> Result<Method, Failure> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => {
            Err(Failure::Denied(format!("http: the method {text} is not offered")))
        }
        Ok(method) if text.len() <= 32 => Ok(method),
        _ => Err(Failure::Other(format!("http: {:?} is no method", shown(text, 64)))),
    }
}

fn target(text: &str) -> Result<Uri, Failure> {
    let fault = |reason: &str| {
        let text = shown(text, 128);
        Failure::Other(format!("http: the target {text:?} {reason}"))
    };
    if text.len() > TARGET_BYTES_MAX {
        return Err(fault(&format!("is longer than {TARGET_BYTES_MAX} bytes")));
    }
    if !text.starts_with('/') {
        return Err(fault("does not begin with `/`; the server is the endpoint's"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err(fault("has characters that must be percent-encoded"));
    }
    text.parse().map_err(|_| fault("is no path with a query"))
}

fn headers(endpoint: &Endpoint, request: &HttpRequest) -> Result<HeaderMap, Failure> {
    let given = &request.headers;
    let bytes = given.iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES);
    if given.len() > HEADERS_MAX || bytes.sum::<usize>() > HEADERS_BYTES_MAX {
        let text =
            format!("http: more than {HEADERS_MAX} headers, or {HEADERS_BYTES_MAX} bytes of them");
        return Err(Failure::Other(text));
    }
    let of_the_grant = name_of(endpoint);
    let mut headers = HeaderMap::with_capacity(given.len() + 3);
    for (name, value) in given {
        let shown_name = shown(name, 64);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Failure::Other(format!("http: {shown_name:?} is no name of a header")))?;
        if OF_THE_HOST.contains(&name.as_str()) {
            return Err(Failure::Denied(format!("http: the header {name} is the host's to write")));
        }
        if of_the_grant.as_ref() == Some(&name) {
            let text = format!(
                "http: the host writes the header {name}, because the grant of endpoint {} names a credential",
                endpoint.name
            );
            return Err(Failure::Denied(text));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::Other(format!(
                "http: the value of the header {name} has characters that a header cannot have"
            ))
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The name that the server goes by: the certificate's where the grant has one, so that what is reached by its address is
/// asked for by its name. The usual port is left out, as browsers do.
fn host(endpoint: &Endpoint) -> Result<HeaderValue, Failure> {
    let mut address = endpoint.address().clone();
    if let Some(name) = &endpoint.grant.server_name {
        address.host.clone_from(name);
    }
    let text = address.to_string();
    let usual = if endpoint.encryption() == Encryption::Off { ":80" } else { ":443" };
    let text = text.strip_suffix(usual).unwrap_or(&text);
    HeaderValue::from_str(text)
        .map_err(|_| Failure::Config(format!("endpoint {}: {text:?} is no host", endpoint.name)))
}
