//! What an operator reads when a location does not work.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_servers::S3Server;
use lockgate_storage::{Error, ErrorKind, Storage, StorageOptions};
use lockgate_types::Retry;

fn open(location: &str, options: &[(&str, &str)]) -> Storage {
    let options = StorageOptions::from_iter(options.iter().copied()).with("region", "us-east-1");
    Storage::open(&location.parse().unwrap(), &options).unwrap()
}

fn check(error: &Error, kind: ErrorKind, hint: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.contains(error.location()), "{text}");
    assert!(!text.contains('\n') && !format!("{error:?}").contains("hunter2"), "{error:?}");
    assert!(error.hint().unwrap_or_default().contains(hint), "{error}: {:?}", error.hint());
}

#[tokio::test]
async fn errors_of_s3_name_the_next_step() {
    let server = S3Server::start().unwrap();
    let (key, secret) = (server.access_key.as_str(), server.secret_key.as_str());
    let good = [("access-key-id", key), ("secret-access-key", secret), ("retries", "0")];

    let storage = open(&format!("s3:{}/nosuchbucket/p", server.endpoint), &good);
    let error = storage.list("").await.unwrap_err();
    check(&error, ErrorKind::NotFound, "create the bucket");
    check(&storage.get("config").await.unwrap_err(), ErrorKind::NotFound, "create the bucket");
    check(
        &storage.put("config", vec![]).await.unwrap_err(),
        ErrorKind::NotFound,
        "create the bucket",
    );

    let wrong_secret = [("access-key-id", key), ("secret-access-key", "hunter2")];
    let error = open(&server.location("p"), &wrong_secret).get("config").await.unwrap_err();
    check(&error, ErrorKind::PermissionDenied, "check the access key");
    let wrong_key = [("access-key-id", "nobody"), ("secret-access-key", "hunter2")];
    let error = open(&server.location("p"), &wrong_key).list("").await.unwrap_err();
    check(&error, ErrorKind::PermissionDenied, "check the access key");
    assert_eq!(error.retry(), Retry::AfterFix);
    let error = open(&server.location("p"), &wrong_key).size("config").await.unwrap_err();
    check(&error, ErrorKind::PermissionDenied, "check the access key");
}

#[tokio::test]
async fn a_server_without_conditional_writes_is_asked_first() {
    let server = S3Server::start().unwrap();
    let options = [
        ("access-key-id", server.access_key.as_str()),
        ("secret-access-key", &server.secret_key),
        ("conditional-writes", "false"),
    ];
    let storage = open(&server.location("p"), &options);
    storage.put("config", vec![Bytes::from("first")]).await.unwrap();
    let error = storage.put("config", vec![Bytes::from("second")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(storage.get("config").await.unwrap(), "first");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = S3Server::start_with_tls().unwrap();
    let options = [("access-key-id", "x"), ("secret-access-key", "hunter2"), ("retries", "0")];
    let error = open(&server.location("p"), &options).get("config").await.unwrap_err();
    check(&error, ErrorKind::Unreachable, "ca-certificate");
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable_after_the_retries() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = [("access-key-id", "x"), ("secret-access-key", "hunter2"), ("retries", "2")];
    let storage = open(&format!("s3:http://127.0.0.1:{port}/b"), &options);
    let started = Instant::now();
    check(&storage.get("config").await.unwrap_err(), ErrorKind::Unreachable, "check the address");
    assert!(started.elapsed() >= Duration::from_millis(600), "no pauses: {:?}", started.elapsed());
    let error = storage.put("config", vec![Bytes::from("x")]).await.unwrap_err();
    check(&error, ErrorKind::Unreachable, "check the address");
    assert_eq!((error.retry(), error.name()), (Retry::Later, Some("config")));
}

#[tokio::test]
async fn a_server_that_never_answers_runs_into_the_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("s3:http://{}/b", silent.local_addr().unwrap());
    let options = [
        ("access-key-id", "x"),
        ("secret-access-key", "hunter2"),
        ("retries", "0"),
        ("timeout", "1"),
        ("io-timeout", "1"),
        ("write-timeout", "1"),
    ];
    let storage = open(&location, &options);
    check(&storage.size("config").await.unwrap_err(), ErrorKind::Timeout, "check the network");
    check(&storage.get("config").await.unwrap_err(), ErrorKind::Timeout, "check the network");
    check(
        &storage.put("config", vec![]).await.unwrap_err(),
        ErrorKind::Timeout,
        "check the network",
    );
}

#[test]
fn options_that_are_misspelt_or_contradict_the_location_are_refused() {
    let open = |location: &str, name: &str, value: &str| {
        Storage::open(&location.parse().unwrap(), &StorageOptions::new().with(name, value))
            .unwrap_err()
    };
    let error = open("s3:bucket", "secret-acces-key", "hunter2");
    check(&error, ErrorKind::InvalidUrl, "correct the location");
    assert!(error.to_string().contains("secret-acces-key"), "{error}");
    check(&open("fs:/tmp", "region", "x"), ErrorKind::InvalidUrl, "correct");
    check(&open("s3:http://h/b", "endpoint", "http://other"), ErrorKind::InvalidUrl, "correct");
    check(&open("s3:b", "ca-certificate", "/does/not/exist"), ErrorKind::InvalidUrl, "PEM file");
}
