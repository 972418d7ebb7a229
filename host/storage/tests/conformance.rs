//! The cases of `conformance`, against every service that is built in and can run here.

use lockgate_servers::S3Server;
use lockgate_storage::{Storage, StorageOptions, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let open = |_: &str| Storage::open(&"memory:".parse()?, &StorageOptions::new());
    conformance::run(&open).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_of_this_machine_conform() {
    let folder = tempfile::tempdir().unwrap();
    let open = |case: &str| {
        let root = folder.path().join(case);
        if case != "a_place_where_nothing_was_made_is_not_an_empty_one" {
            std::fs::create_dir(&root).unwrap();
        }
        Storage::open(&root.display().to_string().parse()?, &StorageOptions::new())
    };
    conformance::run(&open).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_conforms() {
    let server = S3Server::start().unwrap();
    let options = options(&server);
    let open = |case: &str| Storage::open(&server.location(case).parse()?, &options);
    conformance::run(&open).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_over_tls_conforms_when_its_certificate_is_trusted() {
    let server = S3Server::start_with_tls().unwrap();
    let authority = server.ca_certificate.as_ref().unwrap().display().to_string();
    let options = options(&server).with("ca-certificate", authority);
    let open = |case: &str| Storage::open(&server.location(case).parse()?, &options);
    conformance::run(&open).await.unwrap();
}

fn options(server: &S3Server) -> StorageOptions {
    StorageOptions::new()
        .with("access-key-id", &server.access_key)
        .with("secret-access-key", &server.secret_key)
        .with("region", "us-east-1")
}
