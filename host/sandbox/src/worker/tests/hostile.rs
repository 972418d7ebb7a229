use std::time::{Duration, Instant};

use super::guest::Guest;
use super::*;

/// The lane is closed by the worker.
fn has_ended(lane: &mut FrameSocket) -> bool {
    matches!(lane.receive::<FromWorker>(), Ok(None))
}

#[test]
fn a_loop_is_stopped() {
    let component = Guest::new().body("health#check", "(loop br 0) unreachable").build();
    let (_worker, mut lane) = start(&component);
    let began = Instant::now();
    let (result, _) = call(&mut lane, Call::Check);
    assert!(matches!(result, Err(Stop::Busy)), "{result:?}");
    let took = began.elapsed();
    assert!((Duration::from_millis(150)..Duration::from_secs(20)).contains(&took), "{took:?}");
    assert!(has_ended(&mut lane));
}

#[test]
fn a_loop_before_the_first_call_is_stopped() {
    let component = Guest::new().with("(func $begin (loop br 0)) (start $begin)").build();
    let mut worker = Worker::start(&component, grants(), &[]);
    let (_, first) = worker.open_lane();
    assert!(matches!(first, FromWorker::Returned(Err(Stop::Busy))), "{first:?}");
}

#[test]
fn a_plugin_that_talks_to_the_host_is_not_busy() {
    let component = Guest::new()
        .import("job", "is-cancelled", "$cancelled", "(result i32)")
        .body(
            "health#check",
            "(loop (drop (call $cancelled)) (br_if 0 (i32.eqz (call $cancelled)))) (i32.const 0)",
        )
        .build();
    let (mut worker, mut lane) = start(&component);
    lane.send(&ToWorker::Call(Call::Check), &[]).unwrap();
    lane.flush().unwrap();
    // Five times what may be computed without a call.
    thread::sleep(Duration::from_millis(1_000));
    worker.control.send(&Control::Cancel, &[]).unwrap();
    worker.control.flush().unwrap();
    let answer = lane.receive::<FromWorker>().unwrap();
    assert!(matches!(answer, Some(FromWorker::Returned(Ok(Value::Findings(_))))), "{answer:?}");
}

#[test]
fn memory_beyond_the_limit_is_refused_and_named() {
    let eater = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let component = Guest::new().body("health#check", eater).build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::Check);
    assert!(matches!(result, Err(Stop::Memory(limit)) if limit == 16 << 20), "{result:?}");
    assert!(has_ended(&mut lane));
}

#[test]
fn a_large_first_memory_is_refused() {
    let mut start = grants();
    start.limits.memory_bytes = 65_536;
    let mut worker = Worker::start(&Guest::new().build(), start, &[]);
    let (_, first) = worker.open_lane();
    assert!(matches!(first, FromWorker::Returned(Err(Stop::Memory(65_536)))), "{first:?}");
}

#[test]
fn a_trap_names_its_function_and_ends_only_its_lane() {
    let component = Guest::new().body("maintenance#enter", "(i32.const 0)").build();
    let (mut worker, mut lane) = start(&component);
    let mut other = worker.lane();
    let (result, _) = call(&mut lane, Call::Check);
    let Err(Stop::Trap(text)) = result else { panic!("{result:?}") };
    assert!(text.contains("unreachable") && text.contains("guest_health_check"), "{text}");
    assert!(has_ended(&mut lane));
    let (result, _) = call(&mut other, Call::MaintenanceEnter);
    assert!(matches!(result, Ok(Value::Nothing)), "{result:?}");
}

#[test]
fn a_deep_recursion_is_a_trap() {
    let component = Guest::new()
        .with("(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))")
        .body("health#check", "(call $deeper (i32.const 0))")
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::Check);
    assert!(matches!(&result, Err(Stop::Trap(text)) if text.contains("stack")), "{result:?}");
}

/// Logs at level `error` with the field `panic` = `true`.
fn panics(then: &str) -> Vec<u8> {
    Guest::new()
        .import("job", "log", "$log", "(param i32 i32 i32 i32 i32)")
        .with(r#"(data (i32.const 16) "out of rangepanictrue\00\00\00\1c\00\00\00\05\00\00\00\21\00\00\00\04\00\00\00")"#)
        .body(
            "health#check",
            format!("(call $log (i32.const 4) (i32.const 16) (i32.const 12) (i32.const 40) (i32.const 1)) {then}"),
        )
        .build()
}

#[test]
fn a_panic_gives_its_message_to_the_trap() {
    let (_worker, mut lane) = start(&panics("unreachable"));
    let (result, log) = call(&mut lane, Call::Check);
    assert!(
        matches!(&result, Err(Stop::Trap(text)) if text.starts_with("out of range")),
        "{result:?}"
    );
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn a_panic_that_was_none_is_an_ordinary_message() {
    let (_worker, mut lane) = start(&panics("(i32.const 8192)"));
    let (result, log) = call(&mut lane, Call::Check);
    assert!(matches!(result, Ok(Value::Findings(_))), "{result:?}");
    assert_eq!(log, ["out of range"]);
}

#[test]
fn a_flood_of_log_is_cut_and_counted() {
    let component = Guest::new()
        .import("job", "log", "$log", "(param i32 i32 i32 i32 i32)")
        .body(
            "health#check",
            "(local $count i32)
             (loop (call $log (i32.const 2) (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 0))
               (local.set $count (i32.add (local.get $count) (i32.const 1)))
               (br_if 0 (i32.lt_u (local.get $count) (i32.const 100))))
             (i32.const 65536)",
        )
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, log) = call(&mut lane, Call::Check);
    assert!(matches!(result, Ok(Value::Findings(_))), "{result:?}");
    assert_eq!(log.len(), 17, "16 times 64 KiB, and how many are missing");
    assert!(log[16].starts_with("84 more"), "{}", log[16]);
}

#[test]
fn what_cannot_be_linked_says_why() {
    let foreign = wat::parse_str(r#"(component (import "foo:bar/baz@1.0.0" (instance)))"#).unwrap();
    let other =
        wat::parse_str(r#"(component (import "wasi:cli/environment@0.3.0" (instance)))"#).unwrap();
    let bare = wat::parse_str(r#"(component (import "everything" (func)))"#).unwrap();
    let empty = wat::parse_str("(component)").unwrap();
    let newer = Guest::new().version("0.2.0").build();
    let cases = [
        (foreign, "foo:bar/baz@1.0.0"),
        (other, "wasi:cli/environment@0.3.0"),
        (bare, "everything"),
        (empty, "does not export identity, health"),
        (newer, "built for lockgate:datastore 0.2.0, and this host speaks 0.1.0"),
    ];
    for (component, expected) in cases {
        let mut worker = Worker::start(&component, grants(), &[]);
        let (_, first) = worker.open_lane();
        let FromWorker::Returned(Err(Stop::Unfit(reason))) = first else { panic!("{first:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn wasi_is_there_and_empty() {
    let component = Guest::new()
        .wasi()
        .body(
            "health#check",
            "(call $environment (i32.const 64)) (if (i32.load (i32.const 68)) (then unreachable))
             (call $arguments (i32.const 64)) (if (i32.load (i32.const 68)) (then unreachable))
             (i32.const 4096)",
        )
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::Check);
    assert!(matches!(result, Ok(Value::Findings(_))), "{result:?}");
}

#[test]
fn a_patch_version_fits() {
    let component = Guest::new().version("0.1.7").build();
    start(&component);
}

#[test]
fn what_does_not_compile_says_why() {
    let mut worker = Worker::new();
    for component in [&b"\0asm\x0d\0\x01\0\xff"[..], b"", b"MZ"] {
        assert!(worker.compile(component).is_err());
    }
}

#[test]
fn code_that_is_none_is_refused() {
    let mut worker = Worker::new();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"not code").unwrap();
    worker.control.send(&Control::Start(grants()), &[file.as_fd()]).unwrap();
    let answer = worker.control.receive().unwrap();
    assert!(matches!(answer, Some(ControlAnswer::Failed(_))), "{answer:?}");
}

#[test]
fn a_handle_that_was_never_given_is_a_trap() {
    let component = Guest::new()
        .import("archive", "[method]writer.finish", "$finish", "(param i32 i32)")
        .body("health#check", "(call $finish (i32.const 7) (i32.const 64)) (i32.const 0)")
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::Check);
    assert!(matches!(result, Err(Stop::Trap(_))), "{result:?}");
}

/// Calls a function without a grant and returns its failure from `maintenance.enter`, whose result has the same layout.
fn refusal(interface: &str, function: &str, parameters: &str, arguments: &str) -> String {
    let component = Guest::new()
        .import(interface, function, "$ask", parameters)
        .with(r#"(data (i32.const 16) "name")"#)
        .body("maintenance#enter", format!("(call $ask {arguments} (i32.const 64)) (i32.const 64)"))
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::MaintenanceEnter);
    match failure(result) {
        Failure::Denied(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_granted_is_denied_and_says_how_to_grant_it() {
    let text = "(i32.const 16) (i32.const 4)";
    let two = format!("{text} {text}");
    let entry = "(i32.const 1024)";
    // Endpoint, method, target, no headers, no body.
    let request =
        format!("{text} {text} {text} (i32.const 0) (i32.const 0) (i32.const 1) (i64.const 0)");
    const HTTP_START: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)";
    let cases = [
        ("net", "connect", "(param i32 i32 i32)", text, "endpoints.NAME"),
        ("http", "start", HTTP_START, &request, "endpoints.NAME"),
        ("credentials", "open", "(param i32 i32 i32)", text, "credentials.NAME"),
        ("files", "open", "(param i32 i32 i32 i32 i32)", &two, "folders.NAME"),
        ("files", "list-folder", "(param i32 i32 i32 i32 i32)", &two, "folders.NAME"),
        ("clock", "sleep", "(param i32 i32)", "(i32.const 1)", "clock = true"),
        ("random", "bytes", "(param i32 i32)", "(i32.const 1)", "random = true"),
        ("archive", "create", "(param i32 i32)", entry, "works only during backup.export"),
        ("archive", "open", "(param i32 i32 i32)", text, "works only during restore.import"),
    ];
    for (interface, function, parameters, arguments, expected) in cases {
        let text = refusal(interface, function, parameters, arguments);
        assert!(text.contains(expected), "{interface}.{function}: {text}");
    }
}

#[test]
fn nonsense_on_the_control_socket_ends_the_worker() {
    let (host, worker) = UnixStream::pair().unwrap();
    let served = thread::spawn(move || serve(FrameSocket::new(worker).unwrap(), Door::Missing));
    (&host).write_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).unwrap();
    assert!(matches!(served.join().unwrap(), Err(ProtocolError::Malformed(_))));
}

#[test]
fn a_lane_before_the_start_is_refused() {
    let mut worker = Worker::new();
    let (_, other) = UnixStream::pair().unwrap();
    worker.control.send(&Control::OpenLane, &[other.as_fd()]).unwrap();
    assert!(matches!(worker.control.receive::<ControlAnswer>(), Ok(None)));
}
