//! A worker that was taken over: it speaks the protocol as it likes. Whatever it says, the host kills it and says why, and
//! nothing of what it began exists.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate_trust::Grants;
use lockgate_types::{
    Attributes, Entry, EntryPath, Failure, Kind, Metadata, Part, Summary, Timestamp,
};

use super::credential::Credentials;
use super::entries::Flow;
use super::lane::{Lane, Limit};
use super::net::Net;
use super::process::{Process, WorkerCommand};
use super::shared::Shared;
use super::watchdog::Watchdog;
use super::*;
use crate::error::{ErrorKind, Place};
use crate::flow::{EntrySink, EntryWriter};
use crate::jail::Isolation;
use crate::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX, OPEN_ENTRIES_MAX};
use crate::protocol::{Call, FrameSocket, FromWorker, ProtocolError, Question, ToWorker, Value};

struct Deaf;

impl Observer for Deaf {
    fn log(&self, _: &str, _: Level, _: &str, _: &Attributes) {}
    fn refused(&self, _: &str, _: bool, _: &str) {}
    fn refused_more(&self, _: &str, _: u64) {}
    fn secret_shown(&self, _: &str, _: &str) {}
    fn progress(&self, _: &str, _: u64, _: u64) {}
}

/// Counts what was finished.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<u32>>);

impl EntrySink for Counter {
    fn create(&mut self, _: Entry) -> Result<Box<dyn EntryWriter>, Failure> {
        Ok(Box::new(self.clone()))
    }

    fn has_parent(&self) -> bool {
        false
    }

    fn reuse(&mut self, entries: Vec<Entry>) -> Result<Vec<bool>, Failure> {
        Ok(vec![false; entries.len()])
    }
}

impl EntryWriter for Counter {
    fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<(), Failure> {
        let copied = std::io::copy(&mut Read::take(source, length), &mut std::io::sink());
        copied.map(drop).map_err(|error| Failure::Other(error.to_string()))
    }

    fn write_file(&mut self, _: &File, _: u64, _: Option<u64>) -> Result<u64, Failure> {
        Ok(0)
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        *self.0.lock().unwrap() += 1;
        Ok(0)
    }
}

fn shared(runtime: &tokio::runtime::Runtime) -> Arc<Shared> {
    // Reads its control socket until that is closed, as a worker does.
    let command = WorkerCommand {
        program: PathBuf::from("/bin/cat"),
        arguments: Vec::new(),
        isolation: Isolation::Full,
    };
    let (process, control) = Process::spawn(&command).unwrap();
    let process = Arc::new(process);
    let grants = Grants::default();
    Arc::new(Shared {
        http: Default::default(),
        jail: Report { shape: Shape::Apart, layers: Vec::new() },
        name: "hostile".to_owned(),
        limits: Limits::default(),
        observer: Arc::new(Deaf),
        watchdog: Watchdog::start(Arc::clone(&process), || {}).unwrap(),
        process,
        net: Net::new(&grants, runtime.handle().clone()).unwrap(),
        credentials: Credentials::new(&grants, runtime.handle().clone()),
        granted: Default::default(),
        used: Mutex::default(),
        control: Mutex::new(Some(control)),
    })
}

fn part() -> Part {
    Part {
        id: "part".to_owned(),
        kind: String::new(),
        bytes_estimate: None,
        items_estimate: None,
        attributes: Attributes::new(),
    }
}

fn entry(path: &str) -> Entry {
    Entry {
        path: EntryPath::try_from(path).unwrap(),
        media_type: String::new(),
        size_hint: None,
        metadata: None,
        attributes: Attributes::new(),
    }
}

/// Runs an export against a worker that does `act` once it was called.
fn export(
    sink: &mut Counter,
    act: impl FnOnce(&mut FrameSocket) -> Result<(), ProtocolError> + Send,
) -> Result<Value, crate::Error> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = shared(&runtime);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut lane = Lane::new(Arc::clone(&shared), "lane", ours).unwrap();
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut worker = FrameSocket::new(theirs).unwrap();
            let _: Option<ToWorker> = worker.receive().unwrap();
            let _ = act(&mut worker).and_then(|()| worker.flush());
        });
        let limit = Limit { name: "call-ms", milliseconds: 10_000 };
        let place = Place::Part("part".to_owned());
        let result = lane.call(&place, limit, Call::Export(part()), Flow::Export(sink));
        drop(lane);
        result
    });
    shared.close(true);
    result
}

fn violation(act: impl FnOnce(&mut FrameSocket) -> Result<(), ProtocolError> + Send) -> String {
    let mut sink = Counter::default();
    let error = export(&mut sink, act).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Protocol, "{error}");
    assert_eq!(*sink.0.lock().unwrap(), 0);
    let text = error.to_string();
    assert!(
        text.starts_with("plugin hostile, part part: the worker broke the protocol: "),
        "{text}"
    );
    text
}

#[test]
fn writers_that_do_not_exist_or_come_twice_are_violations() {
    violation(|worker| worker.send_data(&FromWorker::Data { writer: 7, length: 1 }, b"x"));
    violation(|worker| worker.send(&FromWorker::Finish { writer: 7 }, &[]));
    violation(|worker| worker.send(&FromWorker::Abandon { writer: 7 }, &[]));
    violation(|worker| worker.send(&FromWorker::CloseReader { reader: 7 }, &[]));
    violation(|worker| worker.send(&FromWorker::CloseConnection { connection: 7 }, &[]));
    let text = violation(|worker| {
        worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])?;
        worker.send(&FromWorker::Create { writer: 1, entry: entry("b") }, &[])
    });
    assert!(text.contains("used before"), "{text}");
    violation(|worker| {
        worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])?;
        worker.send(&FromWorker::Abandon { writer: 1 }, &[])?;
        worker.send_data(&FromWorker::Data { writer: 1, length: 1 }, b"x")
    });
    violation(|worker| {
        for writer in 1..=OPEN_ENTRIES_MAX as u32 + 1 {
            let entry = entry(&format!("entry-{writer}"));
            worker.send(&FromWorker::Create { writer, entry }, &[])?;
        }
        Ok(())
    });
}

#[test]
fn lengths_and_messages_out_of_bounds_are_violations() {
    let begin = |worker: &mut FrameSocket| {
        worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])
    };
    let text = violation(move |worker| {
        begin(worker)?;
        worker.send(&FromWorker::Data { writer: 1, length: DATA_BYTES_MAX + 1 }, &[])
    });
    assert!(text.contains("longer than allowed"), "{text}");
    let raw = |bytes: Vec<u8>| {
        violation(move |worker| {
            let socket = worker.as_fd().try_clone_to_owned().unwrap();
            UnixStream::from(socket).write_all(&bytes).unwrap();
            Ok(())
        })
    };
    let text = raw((MESSAGE_BYTES_MAX as u32 + 1).to_le_bytes().to_vec());
    assert!(text.contains("longer than"), "{text}");
    raw(u32::MAX.to_le_bytes().to_vec());
    raw([2, 0, 0, 0, 0xff, 0xff].to_vec());
    // A message with bytes behind it.
    raw([2, 0, 0, 0, 0, 0].to_vec());
    violation(|worker| worker.send(&FromWorker::Ready, &[]));
    violation(|worker| {
        let extractions = vec![(EntryPath::try_from("a").unwrap(), 0); 1000];
        worker.send(&FromWorker::Question(Question::Extract { extractions }), &[])
    });
}

#[test]
fn descriptors_that_are_no_regular_files_are_violations() {
    let range = |descriptor: Option<File>, offset: u64, length: Option<u64>| {
        violation(move |worker| {
            worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])?;
            let descriptors: Vec<_> = descriptor.iter().map(AsFd::as_fd).collect();
            worker.send(&FromWorker::FileRange { writer: 1, offset, length }, &descriptors)
        })
    };
    assert!(range(None, 0, None).contains("missing"));
    assert!(range(Some(File::open("/").unwrap()), 0, None).contains("not a regular file"));
    assert!(range(Some(File::open("/dev/zero").unwrap()), 0, None).contains("not a regular file"));
    let file = || Some(tempfile::tempfile().unwrap());
    range(file(), u64::MAX, None);
    range(file(), 0, Some(u64::MAX));
    let mut sink = Counter::default();
    export(&mut sink, |worker| {
        worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])?;
        let file = tempfile::tempfile().unwrap();
        worker
            .send(&FromWorker::FileRange { writer: 1, offset: 0, length: None }, &[file.as_fd()])?;
        worker.send(&FromWorker::Finish { writer: 1 }, &[])?;
        worker.send(&FromWorker::Returned(Ok(Value::Summary(Summary::default()))), &[])
    })
    .unwrap();
    assert_eq!(*sink.0.lock().unwrap(), 1);
}

#[test]
fn a_stream_that_ends_early_loses_the_worker_and_the_entry() {
    for cut in [true, false] {
        let mut sink = Counter::default();
        let error = export(&mut sink, |worker| {
            worker.send(&FromWorker::Create { writer: 1, entry: entry("a") }, &[])?;
            if cut {
                worker.send(&FromWorker::Data { writer: 1, length: 1000 }, &[])?;
            }
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::WorkerLost, "{error}");
        assert_eq!(*sink.0.lock().unwrap(), 0);
    }
}

#[test]
fn what_is_not_granted_is_denied_by_the_host_too() {
    let questions = [
        Question::Connect { endpoint: "server".to_owned() },
        Question::ConnectMember { endpoint: "server".to_owned(), host: "a".to_owned(), port: 1 },
        Question::OpenCredential { name: "backup".to_owned() },
        Question::Respond {
            credential: "backup".to_owned(),
            scheme: "mysql_native_password".to_owned(),
            challenge: vec![0; 20],
            parameters: Vec::new(),
        },
        // Entries are read during an import only.
        Question::OpenEntry { path: EntryPath::root() },
        Question::Entries { prefix: EntryPath::root(), after: None, limit: 1 },
        Question::Extract { extractions: Vec::new() },
    ];
    export(&mut Counter::default(), move |worker| {
        for question in questions {
            let text = format!("{question:?}");
            worker.send(&FromWorker::Question(question), &[])?;
            match worker.receive()? {
                Some(ToWorker::Answer(Err(Failure::Denied(_)))) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
        worker.send(&FromWorker::Returned(Ok(Value::Nothing)), &[])
    })
    .unwrap();
}

#[test]
fn content_of_a_directory_is_refused_by_the_host_too() {
    let error = export(&mut Counter::default(), |worker| {
        let metadata = Metadata {
            kind: Kind::Directory,
            mode: 0o755,
            owner: 0,
            group: 0,
            owner_name: String::new(),
            group_name: String::new(),
            size: 0,
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
            changed: Timestamp::default(),
            inode: 1,
            device: 1,
            links: 1,
            device_number: 0,
            link_target: None,
            extended_attributes: Vec::new(),
        };
        let entry = Entry { metadata: Some(metadata), ..entry("folder") };
        worker.send(&FromWorker::Create { writer: 1, entry }, &[])?;
        worker.send_data(&FromWorker::Data { writer: 1, length: 3 }, b"abc")?;
        worker.send(&FromWorker::Finish { writer: 1 }, &[])?;
        worker.send(&FromWorker::Returned(Ok(Value::Summary(Summary::default()))), &[])
    })
    .unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn a_failed_entry_sticks_to_the_barrier_and_to_the_end() {
    let error = export(&mut Counter::default(), |worker| {
        worker.send(&FromWorker::Create { writer: 1, entry: entry("") }, &[])?;
        worker.send_data(&FromWorker::Data { writer: 1, length: 3 }, b"abc")?;
        worker.send(&FromWorker::Finish { writer: 1 }, &[])?;
        worker.send(&FromWorker::Question(Question::Barrier), &[])?;
        assert!(matches!(worker.receive()?, Some(ToWorker::Answer(Err(_)))));
        // The worker lies about it.
        worker.send(&FromWorker::Returned(Ok(Value::Summary(Summary::default()))), &[])
    })
    .unwrap_err();
    assert!(error.to_string().contains("empty path"), "{error}");
}

#[test]
fn a_silent_worker_is_killed_at_its_deadline() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = shared(&runtime);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut lane = Lane::new(Arc::clone(&shared), "lane", ours).unwrap();
    // The other end of a real worker's lane closes with the worker; here that is played.
    let watch = Arc::clone(&shared);
    let error = std::thread::scope(|scope| {
        scope.spawn(move || {
            while watch.watchdog.verdict().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(theirs);
        });
        let limit = Limit { name: "call-ms", milliseconds: 100 };
        lane.call(&Place::None, limit, Call::Check, Flow::None).unwrap_err()
    });
    assert_eq!(error.kind(), &ErrorKind::Deadline, "{error}");
    shared.close(true);
}
