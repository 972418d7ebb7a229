//! Which services' listings show all that was stored before. Those that say so:
//!
//! - Amazon S3: "Amazon S3 data consistency model" in its user guide, for all regions since December 2020;
//! - Google Cloud Storage: "Cloud Storage consistency", under "Strongly consistent operations";
//! - Azure Blob Storage: "Managing concurrency in Blob Storage", and the paper on Windows Azure Storage (SOSP 2011).
//!
//! Of other servers that speak S3 only their operator knows, who says so by the option `consistent-listings`.

use crate::options::StorageOptions;
use crate::url::StorageUrl;

/// By any of these OpenDAL is led to another server than Amazon's when neither location nor options name one.
const ENDPOINT_VARIABLES: [&str; 3] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_S3_ENDPOINT"];
const AMAZON: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// Whether the maker of the service says so.
pub(crate) fn is_consistent(url: &StorageUrl, options: &StorageOptions) -> bool {
    match url.scheme() {
        "gcs" | "azblob" => true,
        "s3" => {
            let named = Some(url.address.endpoint.as_str()).filter(|it| !it.is_empty());
            match named.or_else(|| options.get("endpoint")) {
                Some(endpoint) => is_of_amazon(endpoint),
                None => ENDPOINT_VARIABLES.iter().all(|name| std::env::var_os(name).is_none()),
            }
        }
        _ => false,
    }
}

/// `https://s3.eu-central-1.amazonaws.com`, with or without a scheme, a port or a path.
fn is_of_amazon(endpoint: &str) -> bool {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    !authority.contains('@') && AMAZON.iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_maker_promises_is_relied_on() {
        let judge = |url: &str, options: &StorageOptions| {
            is_consistent(&url.parse::<StorageUrl>().unwrap(), options)
        };
        let none = StorageOptions::new();
        for (url, expected) in [
            ("s3:https://s3.eu-central-1.amazonaws.com/bucket/a", true),
            ("s3:https://s3.cn-north-1.amazonaws.com.cn/bucket", true),
            ("s3:https://s3.eu-central-1.amazonaws.com:443/bucket", true),
            ("s3:https://s3.example.com/bucket", false),
            ("s3:http://127.0.0.1:7070/bucket", false),
            ("s3:https://amazonaws.com.example.com/bucket", false),
            ("memory:", false),
        ] {
            assert_eq!(judge(url, &none), expected, "{url}");
        }
        let elsewhere = none.with("endpoint", "https://minio.example.com");
        assert!(!judge("s3:bucket/a", &elsewhere));
        let amazon = StorageOptions::new().with("endpoint", "s3.us-west-2.amazonaws.com");
        assert!(judge("s3:bucket/a", &amazon));
        assert!(!is_of_amazon("https://s3.amazonaws.com@example.com"));
        assert!(!is_of_amazon("https://example.com/.amazonaws.com"));
    }
}
