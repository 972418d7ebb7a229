//! Entries on their way between plugin and host.

use std::time::Instant;

use lockgate_sandbox::{ErrorKind, Limits};
use lockgate_trust::Grants;
use lockgate_types::Failure;

use crate::component::Bodies;
use crate::stage::{MemorySink, Stage, ZeroSource, part};

/// Creates the entry `rows`; its writer's number is at 1028.
const CREATE: &str = "
    (i32.store (i32.const 2048) (i32.const 512)) (i32.store (i32.const 2052) (i32.const 4))
    (call $create (i32.const 2048) (i32.const 1024))";
/// Writes the eight bytes at 512.
const WRITE: &str =
    "(call $write (i32.load (i32.const 1028)) (i32.const 512) (i32.const 8) (i32.const 1040))";
const FINISH: &str = "(call $finish (i32.load (i32.const 1028)) (i32.const 1040))";
const DROP: &str = "(call $drop-writer (i32.load (i32.const 1028)))";
const OK: &str = "(i32.const 8192)";
const ITEMS: &str = r#"(data (i32.const 512) "rows\00\01\02\03")"#;

fn export(body: &str, sink: &mut MemorySink) -> Result<(), lockgate_sandbox::Error> {
    let stage = Stage::new();
    let bodies = Bodies { items: ITEMS, export: body, ..Bodies::default() };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    let result = session.instance("export").unwrap().export(&part("shop/accounts"), sink);
    session.close();
    result.map(drop)
}

#[test]
fn bytes_arrive_as_they_were_written() {
    let mut sink = MemorySink::default();
    export(&format!("{CREATE} {WRITE} {WRITE} {FINISH} {DROP} {OK}"), &mut sink).unwrap();
    let entries = sink.entries.lock().unwrap();
    assert_eq!(entries["rows"], b"rows\0\x01\x02\x03rows\0\x01\x02\x03");
    assert_eq!(entries.len(), 1);
}

#[test]
fn an_entry_that_is_not_finished_does_not_exist() {
    let mut sink = MemorySink::default();
    export(&format!("{CREATE} {WRITE} {DROP} {OK}"), &mut sink).unwrap();
    assert!(sink.entries.lock().unwrap().is_empty());
    // Left open is worse than dropped: the plugin forgot it.
    let error = export(&format!("{CREATE} {WRITE} {OK}"), &mut sink).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin tested, part shop/accounts: entry rows was begun and never finished"
    );
    assert!(sink.entries.lock().unwrap().is_empty());
}

#[test]
fn a_sink_that_refuses_fails_the_part_even_when_the_plugin_does_not_care() {
    let mut sink = MemorySink { refuse_at: Some(8), ..MemorySink::default() };
    let body = format!("{CREATE} {WRITE} {WRITE} {WRITE} {FINISH} {DROP} {OK}");
    let error = export(&body, &mut sink).unwrap_err();
    let failure = Failure::Other("the repository is full".to_owned());
    assert_eq!(error.kind(), &ErrorKind::Failure(failure), "{error}");
    assert!(sink.entries.lock().unwrap().is_empty());
}

#[test]
fn a_plugin_that_goes_on_after_a_failure_is_ended_and_the_others_stay() {
    let stage = Stage::new();
    let write = "(call $write (i32.load (i32.const 1028)) (i32.const 0) (i32.const 65536) (i32.const 1040))";
    let forever = format!("{CREATE} (loop $l {write} (br $l)) unreachable");
    let bodies = Bodies { items: ITEMS, export: &forever, ..Bodies::default() };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    let mut other = session.instance("other").unwrap();
    let mut instance = session.instance("export").unwrap();
    let mut sink = MemorySink { refuse_at: Some(1), ..MemorySink::default() };
    let error = instance.export(&part("shop/accounts"), &mut sink).unwrap_err();
    assert_eq!(error.to_string(), "plugin tested, part shop/accounts: the repository is full");
    assert_eq!(instance.backup_release().unwrap_err().kind(), &ErrorKind::Ended);
    other.backup_release().unwrap();
    session.close();
}

#[test]
fn parts_pass_in_parallel_and_do_not_mix() {
    let stage = Stage::new();
    // Sixteen times 64 KiB of zeros and the eight bytes.
    let write = "(call $write (i32.load (i32.const 1028)) (i32.const 131072) (i32.const 65536) (i32.const 1040))";
    let body = format!(
        "(drop (memory.grow (i32.const 4))) {CREATE}
         (loop $l {write} {WRITE} (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (i32.const 16))))
         {FINISH} {DROP} {OK}"
    );
    let bodies = Bodies { items: ITEMS, export: &body, ..Bodies::default() };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    let whole = [vec![0; 65536], b"rows\0\x01\x02\x03".to_vec()].concat().repeat(16);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (session, whole) = (&session, &whole);
            scope.spawn(move || {
                let mut instance = session.instance(&format!("export-{number}")).unwrap();
                for _ in 0..4 {
                    let mut sink = MemorySink::default();
                    instance.export(&part(&format!("part-{number}")), &mut sink).unwrap();
                    assert_eq!(&sink.entries.lock().unwrap()["rows"], whole);
                }
            });
        }
    });
    session.close();
}

#[test]
fn content_of_something_that_is_no_regular_file_is_refused() {
    // Metadata is at 2080 with a mark that it is there; the kind, a directory, at 2088.
    let directory =
        "(i32.store8 (i32.const 2080) (i32.const 1)) (i32.store8 (i32.const 2088) (i32.const 1))";
    let mut sink = MemorySink::default();
    export(&format!("{directory} {CREATE} {FINISH} {DROP} {OK}"), &mut sink).unwrap();
    assert_eq!(sink.entries.lock().unwrap().len(), 1);
    // The plugin is told and passes over it: the directory is there, its content is not.
    let mut sink = MemorySink::default();
    export(&format!("{directory} {CREATE} {WRITE} {FINISH} {DROP} {OK}"), &mut sink).unwrap();
    assert_eq!(sink.entries.lock().unwrap()["rows"], b"");
}

#[test]
fn two_writers_of_one_path_are_refused() {
    let mut sink = MemorySink::default();
    let body = format!(
        "{CREATE} (local.set $h (i32.load (i32.const 1028))) {CREATE} {FINISH} {DROP}
        (call $finish (local.get $h) (i32.const 1040)) {OK}"
    );
    let error = export(&body, &mut sink).unwrap_err();
    assert!(error.to_string().contains("rows"), "{error}");
    assert!(sink.entries.lock().unwrap().is_empty());
}

/// Prints the rate at which bytes pass, for the record; the assertion is far below.
#[test]
fn bulk_bytes_pass_in_both_directions() {
    let times = |count: u32, body: &str| {
        format!(
            "(loop $l {body} (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $l (i32.lt_u (local.get $i) (i32.const {count}))))"
        )
    };
    let write = "(call $write (i32.load (i32.const 1028)) (i32.const 0) (i32.const 1048576) (i32.const 1040))";
    let grow = "(drop (memory.grow (i32.const 40)))";
    let export = format!("{grow} {CREATE} {} {FINISH} {DROP} {OK}", times(1024, write));
    // Each answer is put where the last one was.
    let read = "(global.set $free (i32.const 65536))
        (call $read (i32.load (i32.const 1028)) (i32.const 1048576) (i32.const 1040))";
    let import = format!(
        "{grow} (call $open-entry (i32.const 512) (i32.const 4) (i32.const 1024)) {} {OK}",
        times(512, read)
    );
    let stage = Stage::new();
    let bodies = Bodies { items: ITEMS, export: &export, import: &import, ..Bodies::default() };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    let mut instance = session.instance("bulk").unwrap();
    let mut sink = MemorySink { only_counts: true, ..MemorySink::default() };
    let began = Instant::now();
    instance.export(&part("bulk"), &mut sink).unwrap();
    let exported = 1024.0 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    instance.import(&part("bulk"), &mut ZeroSource { length: 512 << 20 }).unwrap();
    let imported = 512.0 / began.elapsed().as_secs_f64();
    println!("exported {exported:.0} MiB/s, imported {imported:.0} MiB/s");
    assert!(exported > 10.0 && imported > 10.0, "{exported} {imported}");
    session.close();
}
