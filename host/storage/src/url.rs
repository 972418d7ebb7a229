use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::services::{self, Scheme};

/// Where a repository is kept: `SCHEME:REST`, after the way restic writes it, or an absolute path for `fs:`.
///
/// | location | meaning |
/// |---|---|
/// | `fs:/srv/backup` or `/srv/backup` | a folder of this machine |
/// | `memory:` | this process; for tests |
/// | `s3:https://host:port/bucket/prefix` | a bucket of a server that speaks S3 |
/// | `s3:bucket/prefix` | a bucket of the `endpoint` of the options, or of AWS |
/// | `azblob:container/prefix`, `gcs:bucket/prefix`, `b2:bucket/prefix` | a container or bucket |
/// | `webdav:https://host/path`, `ftp:ftp://host/path`, `sftp:ssh://host/path` | a folder of a server |
///
/// A location holds no secret: one with a user's password, a query or a fragment is refused, so that it is safe to print.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StorageUrl {
    text: String,
    scheme: &'static str,
    pub(crate) address: Address,
}

/// The parts of a location that a service needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// `https://host:port`; empty when the location has none.
    pub(crate) endpoint: String,
    /// Of a service that has buckets or containers; empty otherwise.
    pub(crate) bucket: String,
    /// Path below the bucket or of the folder, with a leading and without a trailing `/`.
    pub(crate) root: String,
}

/// How the rest of a location is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing follows the scheme.
    Nothing,
    /// An absolute path.
    Path,
    /// `[https://host[:port]/]bucket[/prefix]`.
    Bucket,
    /// `https://host[:port][/path]`.
    Server,
}

impl StorageUrl {
    /// The scheme, for example `s3`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The folder, when the location is one of this machine.
    #[must_use]
    pub fn folder(&self) -> Option<&std::path::Path> {
        (self.scheme == services::FS).then(|| std::path::Path::new(&self.address.root))
    }
}

impl FromStr for StorageUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|fault| invalid(text, fault))
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The text is not repeated where it may hold a password.
fn invalid(text: &str, fault: String) -> Error {
    let shown = if text.contains('@') || text.contains('?') {
        let scheme: String = text.chars().take_while(|letter| *letter != ':').take(16).collect();
        format!("{}:…", scheme.escape_debug())
    } else {
        text.chars().take(200).collect::<String>().escape_debug().to_string()
    };
    Error::new(ErrorKind::InvalidUrl, "use", &shown, fault)
        .with_hint("write it as fs:/path, memory:, or s3:https://host/bucket/prefix")
}

fn parse(text: &str) -> Result<StorageUrl, String> {
    if text.len() > limits::URL_BYTES_MAX {
        return Err("it is longer than 4096 bytes".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character".to_owned());
    }
    if text.starts_with('/') {
        return parse_rest(services::find(services::FS)?, text);
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err("it has no scheme and is not an absolute path".to_owned());
    };
    parse_rest(services::find(scheme)?, rest)
}

fn parse_rest(scheme: &Scheme, rest: &str) -> Result<StorageUrl, String> {
    let address = match scheme.form {
        Form::Nothing => nothing(rest)?,
        Form::Path => folder(rest)?,
        Form::Bucket => bucket(rest)?,
        Form::Server => server(rest)?,
    };
    let shown = match scheme.form {
        Form::Nothing => String::new(),
        Form::Path => address.root.clone(),
        Form::Bucket | Form::Server => {
            let below = if address.root == "/" { "" } else { &address.root };
            match (address.endpoint.as_str(), address.bucket.as_str()) {
                ("", bucket) => format!("{bucket}{below}"),
                (endpoint, "") => format!("{endpoint}{}", address.root),
                (endpoint, bucket) => format!("{endpoint}/{bucket}{below}"),
            }
        }
    };
    Ok(StorageUrl { text: format!("{}:{shown}", scheme.name), scheme: scheme.name, address })
}

fn nothing(rest: &str) -> Result<Address, String> {
    if !rest.is_empty() {
        return Err("nothing may follow the scheme".to_owned());
    }
    Ok(Address { endpoint: String::new(), bucket: String::new(), root: "/".to_owned() })
}

fn folder(rest: &str) -> Result<Address, String> {
    if !rest.starts_with('/') {
        return Err("the path is not absolute".to_owned());
    }
    Ok(Address { endpoint: String::new(), bucket: String::new(), root: root(rest)? })
}

fn bucket(rest: &str) -> Result<Address, String> {
    let (endpoint, path) = match rest.split_once("://") {
        Some(_) => split_server(rest)?,
        // restic writes `s3:s3.amazonaws.com/bucket` and `s3:host:9000/bucket`.
        None => match rest.split_once('/') {
            Some((host, path)) if host.contains(':') || host.ends_with(".amazonaws.com") => {
                (check_endpoint(&format!("https://{host}"))?, path)
            }
            _ => (String::new(), rest),
        },
    };
    check_text(path)?;
    let path = path.trim_matches('/');
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() {
        return Err("it names no bucket".to_owned());
    }
    // No service has such names, and the location would be read as another one when it is printed.
    if bucket.contains(':') || (endpoint.is_empty() && bucket.ends_with(".amazonaws.com")) {
        return Err("the name of the bucket is that of a server".to_owned());
    }
    Ok(Address { endpoint, bucket: bucket.to_owned(), root: root(prefix)? })
}

fn server(rest: &str) -> Result<Address, String> {
    let (endpoint, path) = split_server(rest)?;
    check_text(path)?;
    Ok(Address { endpoint, bucket: String::new(), root: root(path)? })
}

/// `https://host:port/path` → `https://host:port` and `path`.
fn split_server(rest: &str) -> Result<(String, &str), String> {
    let Some((protocol, after)) = rest.split_once("://") else {
        return Err("it does not start with the protocol of the server, as in https://".to_owned());
    };
    let (host, path) = after.split_once('/').unwrap_or((after, ""));
    Ok((check_endpoint(&format!("{protocol}://{host}"))?, path))
}

fn check_endpoint(endpoint: &str) -> Result<String, String> {
    let Some((protocol, host)) = endpoint.split_once("://") else {
        return Err("it names no server".to_owned());
    };
    if !["https", "http", "ftp", "ftps", "ssh"].contains(&protocol) {
        return Err(format!("the protocol {:?} is not known", protocol.escape_debug().to_string()));
    }
    if host.contains('@') {
        return Err("it holds a user; give users and passwords as options".to_owned());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(allowed) {
        return Err("the name of the server is not valid".to_owned());
    }
    Ok(endpoint.to_owned())
}

fn check_text(path: &str) -> Result<(), String> {
    if path.contains(['?', '#', '@']) {
        return Err("it holds `?`, `#` or `@`; give secrets as options".to_owned());
    }
    Ok(())
}

/// With a leading and without a trailing `/`, without empty components.
fn root(path: &str) -> Result<String, String> {
    let components: Vec<&str> = path.split('/').filter(|component| !component.is_empty()).collect();
    if components.iter().any(|component| [".", ".."].contains(component)) {
        return Err("the path has a component `.` or `..`".to_owned());
    }
    Ok(format!("/{}", components.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> (String, String, String) {
        let url: StorageUrl = text.parse().unwrap();
        (url.address.endpoint, url.address.bucket, url.address.root)
    }

    fn parts(endpoint: &str, bucket: &str, root: &str) -> (String, String, String) {
        (endpoint.to_owned(), bucket.to_owned(), root.to_owned())
    }

    #[test]
    fn a_path_is_a_folder_of_this_machine() {
        assert_eq!(address("/srv//backup/"), parts("", "", "/srv/backup"));
        assert_eq!("/srv/b@ck?up".parse::<StorageUrl>().unwrap().to_string(), "fs:/srv/b@ck?up");
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_bucket_that_looks_like_a_server_is_refused() {
        for text in
            ["s3:/s3:tt/p", "s3:https://host/a:b", "s3:x.amazonaws.com", "s3:/x.amazonaws.com/p"]
        {
            assert!(text.parse::<StorageUrl>().is_err(), "{text}");
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_bucket_may_name_its_server() {
        assert_eq!(address("s3:https://h:9/b/p/q/"), parts("https://h:9", "b", "/p/q"));
        assert_eq!(address("s3:bucket"), parts("", "bucket", "/"));
        assert_eq!(address("s3:my.bucket/p"), parts("", "my.bucket", "/p"));
        let restic = "s3:s3.eu-west-1.amazonaws.com/b";
        assert_eq!(address(restic), parts("https://s3.eu-west-1.amazonaws.com", "b", "/"));
        assert_eq!(address("s3:h:9000/b"), parts("https://h:9000", "b", "/"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn text_form_parses_back() {
        for text in ["fs:/a/b", "memory:", "s3:https://h:9/b/p", "s3:http://[::1]:9/b", "s3:b/p"] {
            let url: StorageUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(url.to_string().parse::<StorageUrl>().unwrap(), url);
        }
    }

    #[test]
    fn locations_that_are_wrong_are_refused_without_their_secrets() {
        let wrong = [
            "",
            "relative/path",
            "nope:x",
            "fs:relative",
            "fs:/a/../b",
            "memory:x",
            "s3:",
            "s3:https://h",
            "s3:https://user:hunter2@h/b",
            "s3:https://h/b?secret=hunter2",
            "s3:gopher://h/b",
            "s3:https:///b",
            "fs:/a\nb",
        ];
        for text in wrong {
            let error = text.parse::<StorageUrl>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
