use std::fs;
use std::os::unix::fs::MetadataExt;

use lockgate_sandbox::{ErrorKind, Session};
use lockgate_trust::Access;
use lockgate_types::{EntryPath, Failure, RestoreRequest, Severity};

use crate::memory::{Archive, Sink, Source};
use crate::stage::{Stage, part};
use crate::tree::{describe, plant, set_modified};

type Case = fn(&Stage);

pub const ALL: &[(&str, Case)] = &[
    ("a_restored_folder_equals_the_saved_one", a_restored_folder_equals_the_saved_one),
    ("unchanged_files_are_not_read_again", unchanged_files_are_not_read_again),
    ("what_is_excluded_is_not_saved", what_is_excluded_is_not_saved),
    ("caches_are_left_out_but_for_their_tags", caches_are_left_out_but_for_their_tags),
    ("a_file_that_vanishes_is_counted", a_file_that_vanishes_is_counted),
    ("a_file_that_changes_is_counted", a_file_that_changes_is_counted),
    ("nothing_is_overwritten_unasked", nothing_is_overwritten_unasked),
    ("a_damaged_file_does_not_keep_the_others", a_damaged_file_does_not_keep_the_others),
    ("a_read_only_folder_is_not_restored_into", a_read_only_folder_is_not_restored_into),
    ("a_wrong_configuration_names_its_key", a_wrong_configuration_names_its_key),
    ("every_change_changes_the_fingerprint", every_change_changes_the_fingerprint),
    ("many_files_are_listed_in_pages", many_files_are_listed_in_pages),
];

const WITH_FINGERPRINT: &str = r#"{"fingerprint": true}"#;

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

fn source(archive: &Archive) -> Source {
    Source { archive: archive.clone(), ..Source::default() }
}

fn names(archive: &Archive) -> Vec<String> {
    archive.keys().map(ToString::to_string).collect()
}

fn a_restored_folder_equals_the_saved_one(stage: &Stage) {
    plant(&stage.source());
    let (summary, archive) = stage.save(WITH_FINGERPRINT, Sink::default()).unwrap();
    assert_eq!(summary.items, archive.len() as u64);
    for (key, count) in &summary.attributes {
        assert_eq!(count, "0", "{key}");
    }
    let mut source = source(&archive);
    let restored = stage.restore(false, &mut source).unwrap();
    assert_eq!(describe(&stage.source()), describe(&stage.target()));
    assert_eq!(summary.fingerprint, Some(restored));
    assert!(source.extractions < 10, "{} extractions", source.extractions);
    assert_eq!(stage.logged(), Vec::<String>::new());
}

fn unchanged_files_are_not_read_again(stage: &Stage) {
    plant(&stage.source());
    let (first, parent) = stage.save(WITH_FINGERPRINT, Sink::default()).unwrap();
    fs::write(stage.source().join("deep/b"), "now with content").unwrap();
    let sink = Sink { parent: parent.clone(), ..Sink::default() };
    let reused = sink.reused.clone();
    let (second, archive) = stage.save(WITH_FINGERPRINT, sink).unwrap();
    assert_eq!(names(&parent), names(&archive));
    assert_eq!(archive[&path("deep/b")].1, b"now with content");
    let reused = reused.lock().unwrap();
    // All regular files but the changed one: a, its two links, 300 small ones, the large, the odd and the sparse one.
    assert_eq!(reused.len(), 306);
    assert!(!reused.contains(&path("deep/b")));
    assert_ne!(first.fingerprint, second.fingerprint);
}

fn what_is_excluded_is_not_saved(stage: &Stage) {
    plant(&stage.source());
    let config = r#"{"exclude": ["*.txt", "!7.txt", "/deep/er/most/", "fifo"]}"#;
    let (summary, archive) = stage.save(config, Sink::default()).unwrap();
    assert!(archive.contains_key(&path("deep/er/7.txt")));
    for gone in ["deep/er/8.txt", "deep/er/most", "deep/er/most/large", "fifo"] {
        assert!(!archive.contains_key(&path(gone)), "{gone}");
    }
    assert_eq!(summary.attributes["excluded"], "301");
}

fn caches_are_left_out_but_for_their_tags(stage: &Stage) {
    let top = stage.source();
    for folder in ["cache", "fake", "marked/inside"] {
        fs::create_dir_all(top.join(folder)).unwrap();
        fs::write(top.join(folder).join("data"), "x").unwrap();
    }
    let signature = "Signature: 8a477f597d28d172789f06886806bc55\n# more";
    fs::write(top.join("cache/CACHEDIR.TAG"), signature).unwrap();
    fs::write(top.join("fake/CACHEDIR.TAG"), "no signature").unwrap();
    fs::write(top.join("marked/.nobackup"), "").unwrap();
    let config =
        r#"{"exclude-caches": true, "exclude-if-present": [".nobackup"], "one-file-system": true}"#;
    let (_, archive) = stage.save(config, Sink::default()).unwrap();
    let expected = [
        "cache",
        "cache/CACHEDIR.TAG",
        "fake",
        "fake/CACHEDIR.TAG",
        "fake/data",
        "marked",
        "marked/.nobackup",
    ];
    assert_eq!(names(&archive), expected);
}

fn a_file_that_vanishes_is_counted(stage: &Stage) {
    plant(&stage.source());
    let vanish = |stage: &Stage| {
        let gone = stage.source().join("sparse");
        Sink {
            on_reuse: Some(Box::new(move || {
                fs::remove_file(&gone).ok();
            })),
            ..Sink::default()
        }
    };
    let (summary, archive) = stage.save("{}", vanish(stage)).unwrap();
    assert_eq!(summary.attributes["vanished"], "1");
    assert_eq!(summary.attributes["unreadable"], "0");
    assert!(!archive.contains_key(&path("sparse")));
    assert_eq!(stage.logged(), ["Warn docs/sparse was removed before it was read"]);

    fs::write(stage.source().join("sparse"), "back").unwrap();
    let error = stage.save(r#"{"on-vanished": "fail"}"#, vanish(stage)).unwrap_err();
    assert!(error.to_string().contains("docs/sparse"), "{error}");
}

fn a_file_that_changes_is_counted(stage: &Stage) {
    let file = stage.source().join("large");
    fs::write(&file, vec![1; 2 << 20]).unwrap();
    let sink = Sink {
        // After it was listed; the plugin looks again when the host has read it.
        on_reuse: Some(Box::new(move || fs::write(&file, vec![2; 2 << 20]).unwrap())),
        ..Sink::default()
    };
    let (summary, _) = stage.save("{}", sink).unwrap();
    assert_eq!(summary.attributes["changed"], "1");
}

fn nothing_is_overwritten_unasked(stage: &Stage) {
    plant(&stage.source());
    let (_, archive) = stage.save("{}", Sink::default()).unwrap();
    fs::create_dir_all(stage.target().join("deep/er")).unwrap();
    fs::write(stage.target().join("deep/er/9.txt"), "precious").unwrap();
    let before = describe(&stage.target());
    let error = stage.restore(false, &mut source(&archive)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Failure(Failure::Conflict(_))), "{error}");
    assert!(error.to_string().contains("docs/deep/er/9.txt"), "{error}");
    assert_eq!(describe(&stage.target()), before);

    stage.restore(true, &mut source(&archive)).unwrap();
    assert_eq!(describe(&stage.source()), describe(&stage.target()));
    // Once more over itself, hard links and all.
    stage.restore(true, &mut source(&archive)).unwrap();
    assert_eq!(describe(&stage.source()), describe(&stage.target()));
}

fn a_damaged_file_does_not_keep_the_others(stage: &Stage) {
    plant(&stage.source());
    let (_, archive) = stage.save("{}", Sink::default()).unwrap();
    let damaged = Some(path("deep/er/42.txt"));
    let mut source = Source { archive, damaged, ..Source::default() };
    let error = stage.restore(false, &mut source).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Failure(Failure::Corrupt(_))), "{error}");
    assert!(error.to_string().contains("deep/er/42.txt"), "{error}");
    let (mut saved, mut restored) = (describe(&stage.source()), describe(&stage.target()));
    assert_ne!(saved.remove(&b"deep/er/42.txt"[..]), restored.remove(&b"deep/er/42.txt"[..]));
    assert_eq!(saved, restored);
}

fn a_read_only_folder_is_not_restored_into(stage: &Stage) {
    let session = stage.session(stage.target(), Access::Read, "{}");
    let request = RestoreRequest { parts: vec![part()], ..RestoreRequest::default() };
    let mut instance = session.instance("coordinator").unwrap();
    let steps = instance.restore_preview(request.clone()).unwrap();
    assert_eq!(steps[0].target, "folder docs");
    let error = instance.restore_begin(request).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Denied, "{error}");
    let findings = check(&session);
    assert_eq!(findings, [Severity::Ok]);
}

fn check(session: &Session) -> Vec<Severity> {
    let findings = session.instance("check").unwrap().check().unwrap();
    findings.iter().map(|finding| finding.severity).collect()
}

fn a_wrong_configuration_names_its_key(stage: &Stage) {
    for (config, key) in [
        (r#"{"exclude": ["a", "["]}"#, "exclude[1]"),
        (r#"{"exklude": []}"#, "exklude"),
        (r#"{"one-file-system": "yes"}"#, "one-file-system"),
    ] {
        let error = stage.save(config, Sink::default()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Failure(Failure::Config(_))), "{error}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

fn every_change_changes_the_fingerprint(stage: &Stage) {
    plant(&stage.source());
    let (_, archive) = stage.save("{}", Sink::default()).unwrap();
    let faithful = stage.restore(false, &mut source(&archive)).unwrap();
    let now = || {
        let session = stage.session(stage.target(), Access::Read, "{}");
        session.instance("worker").unwrap().fingerprint(&part()).unwrap()
    };
    assert_eq!(now(), faithful);
    let a = stage.target().join("deep/b");
    let modified = fs::metadata(&a).unwrap();
    fs::write(&a, "x").unwrap();
    fs::write(&a, "").unwrap();
    assert_ne!(now(), faithful, "the time of modification");
    set_modified(&a, modified.mtime(), modified.mtime_nsec());
    assert_eq!(now(), faithful);
    fs::write(&a, "y").unwrap();
    set_modified(&a, modified.mtime(), modified.mtime_nsec());
    assert_ne!(now(), faithful, "the content");
}

fn many_files_are_listed_in_pages(stage: &Stage) {
    for number in 0..2_345 {
        fs::write(stage.source().join(format!("{number:05}")), "").unwrap();
    }
    let (summary, archive) = stage.save("{}", Sink::default()).unwrap();
    assert_eq!(summary.items, 2_345);
    stage.restore(false, &mut source(&archive)).unwrap();
    assert_eq!(describe(&stage.source()), describe(&stage.target()));
}
