//! With no grant each capability says so; a grant that cannot be used is named before anything runs.

use lockgate_sandbox::{ErrorKind, Limits};
use lockgate_trust::Grants;
use lockgate_types::Retry;

use crate::component::Bodies;
use crate::stage::{Stage, grants};

#[test]
fn each_capability_is_denied_when_nothing_is_granted() {
    // Each returns the failure that the capability gave as its own.
    let same = "(i32.const 1024)";
    // A result with a number in it has its failure four bytes further on.
    let shifted = "(i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1028)";
    let bodies = [
        ("the clock", "(call $now (i32.const 1024))", shifted),
        ("sleeping", "(call $sleep (i32.const 1) (i32.const 1024))", same),
        ("random bytes", "(call $random (i32.const 8) (i32.const 1024))", same),
        ("files", "(call $open-file (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 4) (i32.const 1024))", same),
        ("credentials", "(call $open-credential (i32.const 512) (i32.const 4) (i32.const 1024))", same),
        ("the network", "(call $connect (i32.const 512) (i32.const 4) (i32.const 1024))", same),
        ("http", "(call $ask (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 4)
            (i32.const 0) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 1024))", same),
        ("reading entries", "(call $open-entry (i32.const 512) (i32.const 4) (i32.const 1024))", same),
        ("writing entries", "(i32.store (i32.const 2048) (i32.const 512)) (i32.store (i32.const 2052) (i32.const 4))
            (call $create (i32.const 2048) (i32.const 1024))", same),
    ];
    let stage = Stage::new();
    for (name, ask, answer) in bodies {
        let check = format!("{ask} {answer}");
        let bodies = Bodies {
            items: r#"(data (i32.const 512) "name")"#,
            check: &check,
            ..Bodies::default()
        };
        let session = stage.session(bodies, &Grants::default(), Limits::default());
        let error = session.instance("health").unwrap().check().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Denied, "{name}: {error}");
        assert_eq!(error.retry(), Retry::AfterFix);
        assert!(
            error.to_string().starts_with("plugin tested, instance health: not granted: "),
            "{error}"
        );
        session.close();
    }
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let stage = Stage::new();
    let plugin = stage.plugin(Bodies::default());
    let error = stage
        .try_session(&plugin, &grants("[folders.data]\npath = '/nonexistent/x'"), Limits::default())
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Grant);
    assert_eq!(error.to_string(), "plugin tested: folder data: /nonexistent/x does not exist");
    let error = stage
        .try_session(&plugin, &grants("[folders.data]\npath = '/dev/null'"), Limits::default())
        .unwrap_err();
    assert_eq!(error.to_string(), "plugin tested: folder data: /dev/null is not a folder");
}

#[test]
fn text_of_a_plugin_reaches_the_log_without_control_characters() {
    let stage = Stage::new();
    let bodies = Bodies {
        items: r#"(data (i32.const 512) "\1b[31mred\0aforged line")"#,
        check: "(call $say (i32.const 512) (i32.const 20)) (i32.const 8192)",
        ..Bodies::default()
    };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    session.instance("health").unwrap().check().unwrap();
    session.close();
    assert_eq!(stage.heard.lines(), ["health: \\u{1b}[31mred\\nforged line"]);
}

#[test]
fn a_flood_of_log_lines_is_cut_off_and_counted() {
    let stage = Stage::new();
    let bodies = Bodies {
        check: "(loop $l
                    (call $say (i32.const 1024) (i32.const 4096))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
                (i32.const 8192)",
        ..Bodies::default()
    };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    session.instance("health").unwrap().check().unwrap();
    session.close();
    let lines = stage.heard.lines();
    assert!(lines.len() < 300, "{}", lines.len());
    assert!(lines.last().unwrap().contains("dropped"), "{:?}", lines.last());
}

#[test]
fn what_was_granted_and_never_used_is_known_afterwards() {
    let stage = Stage::new();
    let folder = stage.folder.path().display().to_string();
    let given = grants(&format!(
        "clock = true\nrandom = true\nendpoints.name = {{ address = '127.0.0.1:1' }}\n\
         folders.name = {{ path = '{folder}' }}\nfolders.other = {{ path = '{folder}' }}\n\
         credentials.name = {{ principal = 'p', secret-variable = 'X', reveal = true }}"
    ));
    let text = |session: &lockgate_sandbox::Session| -> Vec<String> {
        session.unused().iter().map(ToString::to_string).collect()
    };
    let check = "(call $now (i32.const 1024))
        (call $open-file (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 4) (i32.const 1024))
        (call $connect (i32.const 512) (i32.const 4) (i32.const 1024))
        (i32.const 8192)";
    let bodies = Bodies { items: r#"(data (i32.const 512) "name")"#, check, ..Bodies::default() };
    let session = stage.session(bodies, &given, Limits::default());
    assert_eq!(text(&session).len(), 7);
    session.instance("health").unwrap().check().unwrap();
    // The connection was refused by the other side, so it has not been of use.
    assert_eq!(
        text(&session),
        [
            "random",
            "endpoints.name",
            "folders.other",
            "credentials.name",
            "credentials.name.reveal"
        ]
    );
    session.close();
}

#[test]
fn a_secret_reaches_the_plugin_only_with_its_own_grant() {
    let stage = Stage::new();
    let check = "(call $open-credential (i32.const 512) (i32.const 4) (i32.const 1024))
        (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
        (call $reveal (i32.load (i32.const 1028)) (i32.const 1040))
        (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))
        (call $say (i32.load (i32.const 1044)) (i32.load (i32.const 1048))) (i32.const 8192)";
    let bodies = Bodies { items: r#"(data (i32.const 512) "name")"#, check, ..Bodies::default() };
    let plugin = stage.plugin(bodies);
    let check = |more: &str| {
        let given = grants(&format!(
            "credentials.name = {{ principal = 'p', secret-command = ['printf', 'hunter2']{more} }}"
        ));
        let session = stage.try_session(&plugin, &given, Limits::default()).unwrap();
        let checked = session.instance("asks").unwrap().check();
        let unused = session.unused();
        session.close();
        (checked, unused)
    };
    let (checked, unused) = check("");
    let error = checked.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Denied, "{error}");
    assert!(
        error.to_string().contains("`reveal = true`") && !error.to_string().contains("hunter2")
    );
    assert_eq!(unused.len(), 1);
    let (checked, unused) = check(", reveal = true");
    checked.unwrap();
    assert!(unused.is_empty(), "{unused:?}");
    // The first line is the host's, of what it refused.
    assert_eq!(stage.heard.lines().last().map(String::as_str), Some("asks: hunter2"));
}

#[test]
fn a_file_is_locked_only_where_its_folder_says_so() {
    let stage = Stage::new();
    let folder = stage.folder.path().join("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("name"), "").unwrap();
    // Takes byte 7 for itself alone or together with others, and fails with what it was told.
    let check = |mode: u32| {
        format!(
            "(call $open-file (i32.const 512) (i32.const 4) (i32.const 512) (i32.const 4) (i32.const 1024))
            (call $lock (i32.load (i32.const 1028)) (i64.const 7) (i64.const 1) (i32.const {mode}) (i32.const 0) (i32.const 1040))
            (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))
            (if (i32.eqz (i32.load8_u (i32.const 1044))) (then (unreachable))) (i32.const 8192)"
        )
    };
    let items = r#"(data (i32.const 512) "name")"#;
    let run = |mode: u32, more: &str| {
        let given = grants(&format!("folders.name = {{ path = '{}'{more} }}", folder.display()));
        let check = check(mode);
        let bodies = Bodies { items, check: &check, ..Bodies::default() };
        let session = stage.session(bodies, &given, Limits::default());
        let checked = session.instance("locks").unwrap().check();
        let unused = session.unused();
        session.close();
        (checked, unused)
    };
    let (checked, unused) = run(0, "");
    let error = checked.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("`locks = true` in `folders.name`"), "{error}");
    assert!(unused.is_empty(), "{unused:?}");
    let (checked, unused) = run(0, ", locks = true");
    checked.unwrap();
    assert!(unused.is_empty(), "{unused:?}");
    let (checked, _) = run(1, ", locks = true, access = 'read-write'");
    let error = checked.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("was opened for reading"), "{error}");
}

#[test]
fn a_plugin_holds_no_more_handles_than_it_may() {
    let stage = Stage::new();
    let check = "(loop $l
            (call $open-credential (i32.const 512) (i32.const 4) (i32.const 1024))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 50))))
        (i32.const 8192)";
    let bodies = Bodies { items: r#"(data (i32.const 512) "name")"#, check, ..Bodies::default() };
    let given = grants("credentials.name = { principal = 'p', secret-variable = 'X' }");
    let few = Limits { handles: 8, ..Limits::default() };
    let session = stage.session(bodies, &given, few);
    let error = session.instance("health").unwrap().check().unwrap_err();
    assert!(error.to_string().contains("limit `handles`"), "{error}");
    session.close();
    let session = stage.session(bodies, &given, Limits::default());
    session.instance("health").unwrap().check().unwrap();
    session.close();
}
