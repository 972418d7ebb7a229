//! Gets everything that the tests need from outside: `lockgate-servers install`.

use std::process::ExitCode;

use lockgate_servers::{
    Prerequisite, SearchProduct, etcd, etcdctl, etcdutl, install, restic, versitygw,
};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("install") {
        eprintln!("usage: lockgate-servers install");
        return ExitCode::from(2);
    }
    let installed = install(Prerequisite::ALL)
        .and_then(|()| restic())
        .and_then(|_| versitygw())
        .and_then(|_| etcd())
        .and_then(|_| etcdctl())
        .and_then(|_| etcdutl())
        .and_then(|_| SearchProduct::OpenSearch.fetch())
        .and_then(|_| SearchProduct::Elasticsearch.fetch());
    match installed {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
