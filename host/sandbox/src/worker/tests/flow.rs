use std::io::Read;

use super::guest::Guest;
use super::*;
use crate::protocol::{Answer, Question};

/// Creates the entry `name`, writes `times` times `length` bytes and finishes.
fn exporter(times: u32, length: u32) -> Vec<u8> {
    Guest::new()
        .import("archive", "create", "$create", "(param i32 i32)")
        .import("archive", "[method]writer.write", "$write", "(param i32 i32 i32 i32)")
        .import("archive", "[method]writer.finish", "$finish", "(param i32 i32)")
        .import("archive", "[resource-drop]writer", "$drop", "(param i32)")
        // An entry whose path is at 16 and whose other fields are zero: no type, size, metadata or attributes.
        .with(r#"(data (i32.const 16) "name") (data (i32.const 1024) "\10\00\00\00\04\00\00\00")"#)
        .with(r#"(data (i32.const 3000) "\01\02\03")"#)
        .body(
            "backup#export",
            format!(
                "(local $writer i32) (local $count i32)
                 (drop (memory.grow (i32.const {pages})))
                 (call $create (i32.const 1024) (i32.const 2048))
                 (if (i32.load8_u (i32.const 2048)) (then unreachable))
                 (local.set $writer (i32.load (i32.const 2052)))
                 (loop
                   (call $write (local.get $writer) (i32.const 3000) (i32.const {length}) (i32.const 2048))
                   (if (i32.load8_u (i32.const 2048)) (then unreachable))
                   (local.set $count (i32.add (local.get $count) (i32.const 1)))
                   (br_if 0 (i32.lt_u (local.get $count) (i32.const {times}))))
                 (call $finish (local.get $writer) (i32.const 2048))
                 (if (i32.load8_u (i32.const 2048)) (then unreachable))
                 (call $drop (local.get $writer))
                 (i32.const 4096)",
                pages = length / 65_536 + 1,
            ),
        )
        .build()
}

/// Takes what an export sends and answers its barrier; returns the number of bytes, their sum, and the result.
fn take(
    lane: &mut FrameSocket,
    barrier: Result<Answer, Failure>,
) -> (u64, u64, Result<Value, Stop>) {
    let (mut bytes, mut sum) = (0, 0);
    let mut barrier = Some(barrier);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match lane.receive::<FromWorker>().unwrap().unwrap() {
            FromWorker::Create { writer: 1, entry } => assert_eq!(entry.path.as_bytes(), b"name"),
            FromWorker::Data { writer: 1, length } => {
                let mut raw = lane.raw(length.into());
                loop {
                    let count = raw.read(&mut buffer).unwrap();
                    if count == 0 {
                        break;
                    }
                    bytes += count as u64;
                    sum += buffer[..count].iter().take(3).map(|byte| u64::from(*byte)).sum::<u64>();
                }
            }
            FromWorker::Finish { writer: 1 } => {}
            FromWorker::Question(Question::Barrier) => {
                let answer = barrier.take().expect("one barrier");
                lane.send(&ToWorker::Answer(answer), &[]).unwrap();
            }
            FromWorker::Returned(result) => return (bytes, sum, result),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn entries_arrive_whole_and_the_barrier_decides() {
    for (times, length) in [(1, 3), (50, 700), (4, 1_000), (1, 0)] {
        let (_worker, mut lane) = start(&exporter(times, length));
        lane.send(&ToWorker::Call(Call::Export(part())), &[]).unwrap();
        let (bytes, _, result) = take(&mut lane, Ok(Answer::Done));
        assert_eq!(bytes, u64::from(times * length));
        assert!(matches!(result, Ok(Value::Summary(_))), "{result:?}");

        lane.send(&ToWorker::Call(Call::Export(part())), &[]).unwrap();
        let full = Failure::Other("the disk is full".to_owned());
        // The second export counts its entries on from the first.
        let message = lane.receive::<FromWorker>().unwrap().unwrap();
        assert!(matches!(message, FromWorker::Create { writer: 2, .. }), "{message:?}");
        loop {
            match lane.receive::<FromWorker>().unwrap().unwrap() {
                FromWorker::Question(Question::Barrier) => {
                    lane.send(&ToWorker::Answer(Err(full.clone())), &[]).unwrap();
                }
                FromWorker::Data { length, .. } => drop(lane.raw(length.into())),
                FromWorker::Returned(result) => break assert_eq!(self::failure(result), full),
                FromWorker::Finish { writer: 2 } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_writer_that_is_dropped_is_abandoned() {
    let component = Guest::new()
        .import("archive", "create", "$create", "(param i32 i32)")
        .import("archive", "[resource-drop]writer", "$drop", "(param i32)")
        .with(r#"(data (i32.const 16) "name") (data (i32.const 1024) "\10\00\00\00\04\00\00\00")"#)
        .body(
            "backup#export",
            "(call $create (i32.const 1024) (i32.const 2048))
             (call $drop (i32.load (i32.const 2052))) (i32.const 4096)",
        )
        .build();
    let (_worker, mut lane) = start(&component);
    lane.send(&ToWorker::Call(Call::Export(part())), &[]).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(lane.receive::<FromWorker>().unwrap().unwrap());
    }
    assert!(
        matches!(
            seen.as_slice(),
            [
                FromWorker::Create { .. },
                FromWorker::Abandon { writer: 1 },
                FromWorker::Question(Question::Barrier)
            ]
        ),
        "{seen:?}"
    );
}

#[test]
fn only_so_many_entries_are_open_at_once() {
    let component = Guest::new()
        .import("archive", "create", "$create", "(param i32 i32)")
        .with(r#"(data (i32.const 16) "name") (data (i32.const 1024) "\10\00\00\00\04\00\00\00")"#)
        .body(
            "backup#export",
            "(local $count i32)
             (loop (call $create (i32.const 1024) (i32.const 2048))
               (local.set $count (i32.add (local.get $count) (i32.const 1)))
               (br_if 0 (i32.eqz (i32.load8_u (i32.const 2048)))))
             (i64.store (i32.const 4104) (i64.extend_i32_u (local.get $count)))
             (i32.const 4096)",
        )
        .build();
    let (_worker, mut lane) = start(&component);
    lane.send(&ToWorker::Call(Call::Export(part())), &[]).unwrap();
    let summary = loop {
        match lane.receive::<FromWorker>().unwrap().unwrap() {
            FromWorker::Create { .. } => {}
            FromWorker::Refused { is_denied: false, .. } => {}
            FromWorker::Question(Question::Barrier) => {
                lane.send(&ToWorker::Answer(Ok(Answer::Done)), &[]).unwrap();
            }
            FromWorker::Returned(Ok(Value::Summary(summary))) => break summary,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(summary.items, crate::limits::OPEN_ENTRIES_MAX as u64 + 1);
}

#[test]
fn config_reaches_the_plugin() {
    // Returns the text of `job.config` as a fingerprint.
    let component = Guest::new()
        .import("job", "config", "$config", "(param i32)")
        .body("restore#fingerprint", "(call $config (i32.const 68)) (i32.const 64)")
        .build();
    let (_worker, mut lane) = start(&component);
    let (result, _) = call(&mut lane, Call::Fingerprint(part()));
    assert!(
        matches!(&result, Ok(Value::Fingerprint(text)) if text == r#"{"key":"value"}"#),
        "{result:?}"
    );
}

#[test]
#[ignore = "a measurement, not a test"]
fn measure() {
    let component = exporter(16_384, 1 << 18);
    let mut worker = Worker::start(&component, grants(), &[]);
    let began = std::time::Instant::now();
    let lanes: Vec<_> = (0..100).map(|_| worker.lane()).collect();
    eprintln!("instantiate: {:?}", began.elapsed() / 100);
    drop(lanes);
    let mut lane = worker.lane();
    for _ in 0..3 {
        let began = std::time::Instant::now();
        lane.send(&ToWorker::Call(Call::Export(part())), &[]).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = 0_u64;
        let result = loop {
            match lane.receive::<FromWorker>().unwrap().unwrap() {
                FromWorker::Data { length, .. } => {
                    let mut raw = lane.raw(length.into());
                    loop {
                        let count = raw.read(&mut buffer).unwrap();
                        if count == 0 {
                            break;
                        }
                        bytes += count as u64;
                    }
                }
                FromWorker::Question(Question::Barrier) => {
                    lane.send(&ToWorker::Answer(Ok(Answer::Done)), &[]).unwrap();
                }
                FromWorker::Returned(result) => break result,
                _ => {}
            }
        };
        assert!(result.is_ok());
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("write: {bytes} bytes, {:.2} GB/s", bytes as f64 / seconds / 1e9);
    }
}

/// Exports the folder `LOCKGATE_FOLDER` with the component `LOCKGATE_COMPONENT`; the host only counts.
#[test]
#[ignore = "a measurement, not a test"]
fn measure_folder() {
    let variable = |name: &str| std::env::var(name).expect(name);
    let component = std::fs::read(variable("LOCKGATE_COMPONENT")).unwrap();
    let folder = File::open(variable("LOCKGATE_FOLDER")).unwrap();
    let mut start = grants();
    start.limits = Limits::default();
    start.config = "{}".to_owned();
    start.folders.push(crate::protocol::Folder {
        name: "part".to_owned(),
        writable: false,
        locks: false,
    });
    let began = std::time::Instant::now();
    let mut worker = Worker::start(&component, start, &[folder.as_fd()]);
    eprintln!("compile and load: {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let mut lane = worker.lane();
    eprintln!("instantiate: {:?}", began.elapsed());
    let (plan, _) = call(&mut lane, Call::BackupBegin(Default::default()));
    let Ok(Value::Plan(plan)) = plan else { panic!("{plan:?}") };
    let began = std::time::Instant::now();
    lane.send(&ToWorker::Call(Call::Export(plan.parts[0].clone())), &[]).unwrap();
    let (mut entries, mut bytes, mut files) = (0_u64, 0_u64, 0_u64);
    let result = loop {
        match lane.receive::<FromWorker>().unwrap().unwrap() {
            FromWorker::Create { .. } => entries += 1,
            FromWorker::Data { length, .. } => {
                bytes += u64::from(length);
                lane.raw(length.into());
            }
            FromWorker::FileRange { .. } => {
                files += 1;
                lane.take_descriptor().unwrap();
            }
            FromWorker::Question(Question::Reuse { entries }) => {
                let reused = Answer::Reused(vec![false; entries.len()]);
                lane.send(&ToWorker::Answer(Ok(reused)), &[]).unwrap();
            }
            FromWorker::Question(_) => {
                lane.send(&ToWorker::Answer(Ok(Answer::Done)), &[]).unwrap();
            }
            FromWorker::Returned(result) => break result,
            _ => {}
        }
    };
    let took = began.elapsed();
    eprintln!("{result:?}");
    eprintln!("{entries} entries, {bytes} bytes by value, {files} descriptors in {took:?}");
}
