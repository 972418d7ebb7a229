//! What happens to plugins that do not stop, take too much or crash, and to workers that vanish.

use std::time::{Duration, Instant};

use lockgate_sandbox::{Error, ErrorKind, Limits};
use lockgate_trust::Grants;
use lockgate_types::Retry;
use rustix::process::{Pid, Signal, kill_process};

use crate::component::Bodies;
use crate::stage::{MemorySink, Stage, grants, part};

fn check_error(body: &str, limits: Limits) -> Error {
    let stage = Stage::new();
    let session =
        stage.session(Bodies { check: body, ..Bodies::default() }, &Grants::default(), limits);
    let mut instance = session.instance("health").unwrap();
    let error = instance.check().unwrap_err();
    let again = instance.check().unwrap_err();
    assert_eq!(again.kind(), &ErrorKind::Ended, "{again}");
    // The session is alive: a new instance comes up.
    session.instance("next").unwrap().backup_release().unwrap();
    session.close();
    error
}

#[test]
fn a_plugin_that_does_nothing_wrong_returns() {
    let stage = Stage::new();
    let session = stage.session(Bodies::default(), &Grants::default(), Limits::default());
    let mut instance = session.instance("health").unwrap();
    assert_eq!(instance.check().unwrap(), []);
    assert_eq!(instance.describe().unwrap().name, "");
    assert_eq!(instance.backup_begin(Default::default()).unwrap().parts, []);
    assert_eq!(instance.act("reindex", "all").unwrap(), []);
    session.close();
}

#[test]
fn a_loop_is_stopped_and_called_busy() {
    let error =
        check_error("(loop $l (br $l)) unreachable", Limits { busy_ms: 200, ..Limits::default() });
    assert_eq!(error.kind(), &ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "plugin tested, instance health: computed for 200 ms without calling the host (limit busy-ms)"
    );
    assert_eq!(error.retry(), Retry::AfterFix);
}

#[test]
fn a_trap_is_called_a_crash() {
    let error = check_error("unreachable", Limits::default());
    assert_eq!(error.kind(), &ErrorKind::Trap);
    let text = error.to_string();
    assert!(text.starts_with("plugin tested, instance health: crashed: "), "{text}");
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
fn an_eater_of_memory_is_named_with_its_limit() {
    let eat =
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let error = check_error(eat, Limits { memory_bytes: 4 << 20, ..Limits::default() });
    assert_eq!(error.kind(), &ErrorKind::Memory);
    let text = error.to_string();
    assert!(text.contains("4194304 bytes") && text.contains("memory-bytes"), "{text}");
}

const SLEEP_LONG: &str = "(call $sleep (i32.const 60000) (i32.const 1024)) (i32.const 8192)";

#[test]
fn a_call_that_takes_too_long_is_killed_and_its_limit_named() {
    let stage = Stage::new();
    let limits = Limits { inspect_ms: 300, ..Limits::default() };
    let bodies = Bodies { check: SLEEP_LONG, ..Bodies::default() };
    let session = stage.session(bodies, &grants("clock = true"), limits);
    let mut late = session.instance("late").unwrap();
    let mut other = session.instance("other").unwrap();
    let began = Instant::now();
    let error = late.check().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(error.kind(), &ErrorKind::Deadline);
    assert_eq!(
        error.to_string(),
        "plugin tested, instance late: did not return within 300 ms (limit inspect-ms)"
    );
    let error = other.backup_release().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::WorkerLost, "{error}");
    assert!(error.to_string().contains("another call took too long"), "{error}");
    assert_eq!(error.retry(), Retry::Later);
    session.close();
}

#[test]
fn a_worker_that_is_killed_is_lost_with_its_signal() {
    let stage = Stage::new();
    let export = "
        (i32.store (i32.const 2048) (i32.const 512)) (i32.store (i32.const 2052) (i32.const 4))
        (call $create (i32.const 2048) (i32.const 1024))
        (loop $l (call $write (i32.load (i32.const 1028)) (i32.const 0) (i32.const 65536) (i32.const 1040)) (br $l))
        unreachable";
    let bodies = Bodies { items: r#"(data (i32.const 512) "rows")"#, export, ..Bodies::default() };
    let session = stage.session(bodies, &Grants::default(), Limits::default());
    let worker = Pid::from_raw(session.worker_id().unwrap() as i32).unwrap();
    let mut instance = session.instance("export").unwrap();
    let mut sink = MemorySink {
        on_create: Some(Box::new(move || kill_process(worker, Signal::KILL).unwrap())),
        ..MemorySink::default()
    };
    let error = instance.export(&part("shop/accounts"), &mut sink).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::WorkerLost, "{error}");
    assert_eq!(
        error.to_string(),
        "plugin tested, part shop/accounts: the worker was killed by signal 9 (KILL)"
    );
    assert!(error.hint().unwrap().contains("memory"));
    assert!(sink.entries.lock().unwrap().is_empty());
    assert_eq!(session.instance("next").unwrap_err().kind(), &ErrorKind::WorkerLost);
    session.close();
}

#[test]
fn a_cancelled_plugin_may_end_by_itself() {
    let stage = Stage::new();
    // Returns what `sleep` returned; both results begin alike.
    let check = "(call $sleep (i32.const 60000) (i32.const 1024)) (i32.const 1024)";
    let session = stage.session(
        Bodies { check, ..Bodies::default() },
        &grants("clock = true"),
        Limits::default(),
    );
    let mut instance = session.instance("health").unwrap();
    let began = Instant::now();
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| instance.check().unwrap_err());
        std::thread::sleep(Duration::from_millis(100));
        session.cancel();
        call.join().unwrap()
    });
    assert_eq!(error.kind(), &ErrorKind::Cancelled, "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    session.close();
}

#[test]
fn a_plugin_that_ignores_the_cancellation_is_killed() {
    let stage = Stage::new();
    let check = "(loop $l (call $sleep (i32.const 10) (i32.const 1024)) (br $l)) unreachable";
    let session = stage.session(
        Bodies { check, ..Bodies::default() },
        &grants("clock = true"),
        Limits::default(),
    );
    let canceller = session.canceller();
    let mut instance = session.instance("health").unwrap();
    let began = Instant::now();
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| instance.check().unwrap_err());
        std::thread::sleep(Duration::from_millis(100));
        canceller.cancel();
        call.join().unwrap()
    });
    assert_eq!(error.kind(), &ErrorKind::Cancelled, "{error}");
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
}

#[test]
fn a_dropped_session_leaves_no_worker() {
    let stage = Stage::new();
    let check = "(loop $l (br $l)) unreachable";
    let session =
        stage.session(Bodies { check, ..Bodies::default() }, &Grants::default(), Limits::default());
    let worker = session.worker_id().unwrap();
    let mut instance = session.instance("health").unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| instance.check().unwrap_err());
        std::thread::sleep(Duration::from_millis(50));
        drop(session);
        assert_eq!(call.join().unwrap().kind(), &ErrorKind::Ended);
    });
    assert!(!std::path::Path::new(&format!("/proc/{worker}")).exists());
}

#[test]
fn a_component_that_is_no_plugin_is_called_unfit() {
    let stage = Stage::new();
    let admitted = lockgate_trust::admit(wat::parse_str("(component)").unwrap()).unwrap();
    let plugin = stage.cache().load(&admitted, &crate::stage::worker()).unwrap();
    let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
    let error = session.instance("describe").unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unfit, "{error}");
    assert!(error.to_string().contains("identity"), "{error}");
    session.close();
}
