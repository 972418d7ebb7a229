//! Redirects do not widen: one is followed only where it stays at the endpoint.

use hyper::body::Incoming;
use hyper::{Response, StatusCode, Uri, header};
use lockgate_trust::Encryption;

use super::request::Head;
use crate::session::dial::Endpoint;
use crate::session::shown::shown;

/// Where a response sends the request, when that is the same endpoint and the request may be repeated.
pub fn target_of(endpoint: &Endpoint, head: &Head, response: &Response<Incoming>) -> Option<Uri> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    if !is_redirect || !head.is_repeatable() {
        return None;
    }
    let target = within(endpoint, location);
    if target.is_none() {
        let place = location.split(['?', '#']).next().unwrap_or_default();
        let place = shown(place, 128);
        tracing::warn!(endpoint = endpoint.name, %place, "a redirect out of the endpoint was not followed");
    }
    target
}

/// The path and query of `location`, if scheme, host and port are the endpoint's.
fn within(endpoint: &Endpoint, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let is_encrypted = endpoint.encryption() != Encryption::Off;
    let scheme = if is_encrypted { "https" } else { "http" };
    if location.starts_with('/') && !location.starts_with("//") {
        return location.parse().ok();
    }
    // Without a scheme: that of the request (RFC 3986, section 4.2).
    let whole = match location.starts_with("//") {
        true => format!("{scheme}:{location}"),
        false => location.to_owned(),
    };
    let uri: Uri = whole.parse().ok()?;
    let authority = uri.authority()?;
    let is_named = |name: &str| {
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.eq_ignore_ascii_case(name)
    };
    let names = [Some(endpoint.address().host.as_str()), endpoint.grant.server_name.as_deref()];
    let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
    let is_same = uri.scheme_str() == Some(scheme)
        && names.into_iter().flatten().any(is_named)
        && port == endpoint.address().port
        && !authority.as_str().contains('@');
    if !is_same {
        return None;
    }
    uri.path_and_query()?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use lockgate_trust::EndpointGrant;

    use super::*;

    #[test]
    fn only_the_same_scheme_host_and_port_are_the_endpoint() {
        let grant = EndpointGrant {
            address: "search.example:9200".to_owned(),
            encryption: Encryption::Immediate,
            server_name: Some("es.example".to_owned()),
            ..EndpointGrant::default()
        };
        let endpoint = Endpoint::new("search", &grant).unwrap();
        let target = |location| within(&endpoint, location).map(|uri| uri.to_string());
        for (location, expected) in [
            ("/a?b=c#d", "/a?b=c"),
            ("https://search.example:9200/a", "/a"),
            ("https://ES.example:9200", "/"),
            ("//search.example:9200/a", "/a"),
        ] {
            assert_eq!(target(location).as_deref(), Some(expected), "{location}");
        }
        for location in [
            "http://search.example:9200/a",
            "https://search.example/a",
            "https://search.example:9201/a",
            "https://other.example:9200/a",
            "https://search.example:9200@other.example/a",
            "https://other@search.example:9200/a",
            "//other.example:9200/a",
            "ftp://search.example:9200/",
            "",
            "a",
            "?b",
            "/a b",
            "https://search.example:9200.other.example/",
        ] {
            assert_eq!(target(location), None, "{location}");
        }
    }
}
