//! A component of each released version of the contract, built from the contract as it was released, runs; one of another
//! version is refused with both versions.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_sandbox::{CONTRACTS, ErrorKind, Limits};
use lockgate_trust::Grants;

use crate::component::{Bodies, component_of};
use crate::stage::{Stage, worker};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts")
}

#[test]
fn components_of_every_released_version_run() {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let mut released: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    released.sort();
    assert_eq!(released, CONTRACTS);
    for version in &released {
        let component = component_of(&folder().join(version), version, Bodies::default());
        let admitted = lockgate_trust::admit(component).unwrap();
        assert_eq!(admitted.contract.as_ref(), Some(version));
        let stage = Stage::new();
        let plugin = stage.cache().load(&admitted, &worker()).unwrap();
        let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
        let mut instance = session.instance("golden").unwrap();
        assert_eq!(instance.describe().unwrap().name, "");
        assert!(instance.check().unwrap().is_empty());
        session.close();
    }
}

#[test]
fn a_component_of_an_unknown_version_is_refused_with_both_versions() {
    let contract = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder().join("0.1.0")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().replace("@0.1.0", "@0.2.0");
        fs::write(contract.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let component = component_of(contract.path(), "0.2.0", Bodies::default());
    let admitted = lockgate_trust::admit(component).unwrap();
    assert_eq!(admitted.contract.as_deref(), Some("0.2.0"));
    let stage = Stage::new();
    let plugin = stage.cache().load(&admitted, &worker()).unwrap();
    let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
    let error = session.instance("new").unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unfit, "{error}");
    let said = "built for lockgate:datastore 0.2.0, and this host speaks 0.1.0";
    assert!(error.to_string().contains(said), "{error}");
    session.close();
}
