//! Compiled code is made once, and made again when it is damaged.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Instant, UNIX_EPOCH};

use lockgate_sandbox::{ErrorKind, Limits, WorkerCommand};
use lockgate_trust::{Admitted, Grants, admit};

use crate::component::{Bodies, component};
use crate::stage::{Stage, grants, worker};

fn admitted() -> Admitted {
    admit(component(Bodies::default())).unwrap()
}

fn code_file(stage: &Stage) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(stage.folder.path().join("code"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "code"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn code_is_compiled_once_under_digest_and_engine() {
    let (stage, admitted) = (Stage::new(), admitted());
    assert!(!stage.cache().load(&admitted, &worker()).unwrap().was_cached());
    let file = code_file(&stage);
    let engine = lockgate_sandbox::engine_hash().unwrap();
    let name = format!("{}-{engine:016x}.code", admitted.digest);
    assert_eq!(file.file_name().unwrap().to_str(), Some(name.as_str()));
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    // A worker that cannot even start is not needed any more.
    let none = WorkerCommand {
        program: "/nonexistent".into(),
        arguments: Vec::new(),
        isolation: Default::default(),
    };
    assert!(stage.cache().load(&admitted, &none).unwrap().was_cached());
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    let folder = fs::metadata(stage.folder.path().join("code")).unwrap();
    assert_eq!(folder.mode() & 0o777, 0o700);
    let left = fs::read_dir(stage.folder.path().join("code")).unwrap().count();
    assert_eq!(left, 3, "the code, its tag and the key");
}

#[test]
fn damaged_code_is_made_again() {
    let (stage, admitted) = (Stage::new(), admitted());
    stage.cache().load(&admitted, &worker()).unwrap();
    let file = code_file(&stage);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let damages = [flipped, whole[..whole.len() / 2].to_vec(), Vec::new(), b"x".repeat(4096)];
    for damage in damages {
        fs::write(&file, &damage).unwrap();
        let plugin = stage.cache().load(&admitted, &worker()).unwrap();
        assert!(!plugin.was_cached());
        assert_eq!(fs::read(&file).unwrap(), whole);
        let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
        session.instance("health").unwrap().check().unwrap();
        session.close();
    }
}

#[test]
fn code_that_a_worker_refuses_is_made_again_once() {
    let (stage, admitted) = (Stage::new(), admitted());
    let plugin = stage.cache().load(&admitted, &worker()).unwrap();
    // After the cache has checked it: in place, as a failing disk would.
    let file = code_file(&stage);
    let length = fs::metadata(&file).unwrap().len() as usize;
    fs::write(&file, vec![b'x'; length]).unwrap();
    let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
    session.instance("health").unwrap().check().unwrap();
    session.close();
    assert!(stage.cache().load(&admitted, &worker()).unwrap().was_cached());
}

#[test]
fn code_that_was_not_made_here_is_made_again() {
    let (stage, admitted) = (Stage::new(), admitted());
    stage.cache().load(&admitted, &worker()).unwrap();
    let (file, folder) = (code_file(&stage), stage.folder.path().join("code"));
    let (whole, tag) = (fs::read(&file).unwrap(), fs::read(file.with_extension("tag")).unwrap());
    let is_cached = || stage.cache().load(&admitted, &worker()).unwrap().was_cached();
    // Whole code of another cache, with the tag of that cache.
    let other = Stage::new();
    other.cache().load(&admitted, &worker()).unwrap();
    for ending in ["code", "tag"] {
        fs::copy(code_file(&other).with_extension(ending), file.with_extension(ending)).unwrap();
    }
    assert!(!is_cached(), "code of another cache");
    assert!(is_cached());
    // Whole code with its tag, of another plugin here.
    fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
    fs::write(file.with_extension("tag"), &tag).unwrap();
    assert!(!is_cached(), "a tag of other code");
    for forged in [&b""[..], &[0; 32], &tag[..31]] {
        fs::write(file.with_extension("tag"), forged).unwrap();
        assert!(!is_cached(), "{forged:?}");
    }
    fs::remove_file(file.with_extension("tag")).unwrap();
    assert!(!is_cached(), "no tag");
    // A key that others can read, or that has another length, vouches for nothing.
    let key = folder.join("key");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!is_cached(), "a key that others can read");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    fs::write(&key, b"short").unwrap();
    assert!(!is_cached(), "a short key");
    assert!(is_cached());
}

#[test]
fn a_plugin_that_could_write_to_the_cache_is_not_started() {
    let (stage, admitted) = (Stage::new(), admitted());
    let plugin = stage.cache().load(&admitted, &worker()).unwrap();
    let above = stage.folder.path().display();
    let writable = |path: &str| {
        let text = format!("folders.all = {{ path = \"{path}\", access = \"read-write\" }}");
        stage.try_session(&plugin, &grants(&text), Limits::default())
    };
    for path in [format!("{above}"), format!("{above}/code"), "/".to_owned()] {
        let error = writable(&path).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Grant, "{error}");
        assert!(error.to_string().contains("compiled plugins"), "{error}");
    }
    fs::create_dir(stage.folder.path().join("beside")).unwrap();
    writable(&format!("{above}/beside")).unwrap().close();
}

#[test]
fn links_and_open_folders_are_not_trusted() {
    let (stage, admitted) = (Stage::new(), admitted());
    stage.cache().load(&admitted, &worker()).unwrap();
    let file = code_file(&stage);
    let elsewhere = stage.folder.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(!stage.cache().load(&admitted, &worker()).unwrap().was_cached());
    assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
    let folder = stage.folder.path().join("code");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    stage.cache().load(&admitted, &worker()).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    let link = stage.folder.path().join("link");
    symlink(&folder, &link).unwrap();
    let error = lockgate_sandbox::CodeCache::new(link).load(&admitted, &worker()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Io, "{error}");
}

#[test]
fn what_a_killed_process_left_is_swept_away() {
    let (stage, admitted) = (Stage::new(), admitted());
    let folder = stage.folder.path().join("code");
    fs::create_dir(&folder).unwrap();
    let old = fs::File::create(folder.join(".new-1-1")).unwrap();
    old.set_modified(UNIX_EPOCH).unwrap();
    fs::write(folder.join(".new-2-1"), "still being written").unwrap();
    stage.cache().load(&admitted, &worker()).unwrap();
    assert!(!folder.join(".new-1-1").exists());
    assert!(folder.join(".new-2-1").exists());
}

#[test]
fn a_component_that_does_not_compile_leaves_nothing_behind() {
    let stage = Stage::new();
    let bytes = [b"\0asm\x0d\0\x01\0".as_slice(), &[0xff; 64]].concat();
    let admitted = Admitted { component: bytes.into(), ..admitted() };
    let error = stage.cache().load(&admitted, &worker()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Compile, "{error}");
    assert_eq!(fs::read_dir(stage.folder.path().join("code")).unwrap().count(), 0);
}

/// Prints how long a plugin takes from the cache to its first answer, for the record.
#[test]
fn a_cached_plugin_is_ready_soon() {
    let (stage, admitted) = (Stage::new(), admitted());
    stage.cache().load(&admitted, &worker()).unwrap();
    let mut times = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let plugin = stage.cache().load(&admitted, &worker()).unwrap();
        let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
        let launched = began.elapsed();
        let mut instance = session.instance("health").unwrap();
        instance.check().unwrap();
        times.push((began.elapsed(), launched));
        session.close();
    }
    times.sort();
    println!("ready after {:?}, of which launch {:?} (median of 20)", times[10].0, times[10].1);
    assert!(times[10].0.as_millis() < 500, "{times:?}");
}
