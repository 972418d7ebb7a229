//! Capabilities called as the runtime calls them, with a lane whose other end is the test.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lockgate_types::EntryPath;
use ring::digest::{SHA256, digest};
use wasmtime::component::Resource;

use super::*;
use crate::limits::Limits;
use crate::limits::{DESCRIPTORS_MAX, INLINE_BYTES_MAX};
use crate::protocol::{Answer, Question};
use crate::worker::bindings::lockgate::datastore::archive::{Entry, Extraction, HostWriter};
use crate::worker::bindings::lockgate::datastore::file_locks::{self, HostLock, Mode};
use crate::worker::bindings::lockgate::datastore::files::{HostFile, HostListing};
use crate::worker::bindings::lockgate::datastore::{archive, clock, files, random};
use crate::worker::capability::archive::Writer;
use crate::worker::capability::files::OpenFile;
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::{Activity, Lane, State};

pub fn state(folder: Option<(&Path, bool)>) -> (State, FrameSocket) {
    let folders = folder.map(|(path, writable)| {
        let root = fs::File::open(path).unwrap().into();
        let folder = Folder::new("data".to_owned(), writable, root).with_locks(true);
        // These tests look at what follows the report of the first use.
        assert!(folder.first_use().is_some() && folder.first_use().is_none());
        Arc::new(folder)
    });
    let grants = Grants {
        folders: folders.into_iter().collect(),
        owners: Owners::load(),
        endpoints: Vec::new(),
        credentials: Vec::new(),
        clock: true,
        random: true,
        config: String::new(),
        used: std::sync::Mutex::default(),
        cancelled: AtomicBool::new(false),
    };
    let (host, worker) = UnixStream::pair().unwrap();
    let lane = Lane::new(FrameSocket::new(worker).unwrap());
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    (State::new(Arc::new(grants), lane, &limits), FrameSocket::new(host).unwrap())
}

pub fn failure<T: std::fmt::Debug>(reply: Reply<T>) -> Failure {
    match reply {
        Err(Fault::Failure(failure) | Fault::Missing(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// The same handle once more, as each call of a plugin makes one.
pub fn again<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

fn open(state: &mut State, name: &str) -> Resource<OpenFile> {
    files::Host::open(state, "data".to_owned(), name.as_bytes().to_vec()).unwrap()
}

fn create_entry(state: &mut State, name: &str) -> Reply<Resource<Writer>> {
    archive::Host::create(state, bare_entry(name))
}

pub fn bare_entry(name: &str) -> Entry {
    Entry {
        path: name.as_bytes().to_vec(),
        media_type: String::new(),
        size_hint: None,
        metadata: None,
        attributes: Vec::new(),
    }
}

#[test]
fn files_are_read_within_bounds_and_digested_whole() {
    let root = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 253) as u8).collect();
    fs::write(root.path().join("file"), &content).unwrap();
    let (mut state, _host) = state(Some((root.path(), false)));
    let file = open(&mut state, "file");
    for (offset, max, expected) in [
        (0, 10, &content[..10]),
        (2_999_990, 100, &content[2_999_990..]),
        (3_000_000, 100, &[]),
        (u64::MAX, 0, &[]),
    ] {
        assert_eq!(state.read_at(again(&file), offset, max).unwrap(), expected);
    }
    assert_eq!(state.read_at(again(&file), 0, u32::MAX).unwrap().len(), 1 << 20);
    assert_eq!(state.digest(again(&file)).unwrap(), digest(&SHA256, &content).as_ref());
    assert!(matches!(failure(state.write_at(again(&file), 0, vec![1])), Failure::Denied(_)));
    let about = HostFile::metadata(&mut state, again(&file)).unwrap();
    assert_eq!(about.size, 3_000_000);
    assert!(matches!(
        failure(HostFile::apply(&mut state, again(&file), about)),
        Failure::Denied(_)
    ));
    HostFile::drop(&mut state, file).unwrap();
}

#[test]
fn a_small_file_goes_by_value_and_a_large_one_by_descriptor() {
    let root = tempfile::tempdir().unwrap();
    let sizes = [0, 1, INLINE_BYTES_MAX - 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1];
    for size in sizes {
        fs::write(root.path().join(size.to_string()), vec![b'x'; size]).unwrap();
    }
    // (size of the file, offset, length, bytes by value, the rest by descriptor)
    let cases = [
        (0, 0, None, 0, None),
        (1, 0, None, 1, None),
        (1, 0, Some(0), 0, None),
        (1, 7, None, 0, None),
        (INLINE_BYTES_MAX - 1, 5, Some(i64::MAX as u64), INLINE_BYTES_MAX - 6, None),
        (INLINE_BYTES_MAX, 0, Some(INLINE_BYTES_MAX as u64), INLINE_BYTES_MAX, None),
        (INLINE_BYTES_MAX, 0, None, INLINE_BYTES_MAX, None),
        (INLINE_BYTES_MAX + 1, 0, None, 0, Some((0, None))),
        (INLINE_BYTES_MAX + 1, 1, Some(10), 10, None),
    ];
    for case @ (size, offset, length, value, rest) in cases {
        let (mut state, mut host) = state(Some((root.path(), false)));
        state.begin_call(Activity::Export);
        let writer = create_entry(&mut state, "entry").unwrap();
        let file = open(&mut state, &size.to_string());
        state.write_file(again(&writer), file, offset, length).unwrap();
        state.finish(again(&writer)).unwrap();
        state.lane.socket().flush().unwrap();
        drop(state);
        let (mut seen, mut seen_rest) = (0, None);
        while let Some(message) = host.receive::<FromWorker>().unwrap() {
            match message {
                FromWorker::Data { writer: 1, length } => {
                    seen += length as usize;
                    host.raw(length.into());
                }
                FromWorker::FileRange { writer: 1, offset, length } => {
                    let file = fs::File::from(host.take_descriptor().unwrap());
                    assert_eq!(file.metadata().unwrap().len(), size as u64);
                    seen_rest = Some((offset, length));
                }
                FromWorker::Create { .. } | FromWorker::Finish { writer: 1 } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((seen, seen_rest), (value, rest), "{case:?}");
    }
}

#[test]
fn a_file_that_grows_after_it_was_opened_is_sent_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log");
    fs::write(&path, "before").unwrap();
    let (mut state, mut host) = state(Some((root.path(), false)));
    state.begin_call(Activity::Export);
    let writer = create_entry(&mut state, "entry").unwrap();
    let file = open(&mut state, "log");
    fs::write(&path, "before and after").unwrap();
    state.write_file(writer, file, 0, None).unwrap();
    state.lane.socket().flush().unwrap();
    host.receive::<FromWorker>().unwrap();
    let data = host.receive::<FromWorker>().unwrap();
    assert!(matches!(data, Some(FromWorker::Data { length: 7, .. })), "{data:?}");
    host.raw(7);
    let rest = host.receive::<FromWorker>().unwrap();
    assert!(
        matches!(rest, Some(FromWorker::FileRange { offset: 7, length: None, .. })),
        "{rest:?}"
    );
}

#[test]
fn without_a_parent_snapshot_entries_are_asked_for_once() {
    let (mut state, mut host) = state(None);
    state.begin_call(Activity::Export);
    for count in [2, 0, 0] {
        host.send(&ToWorker::Answer(Ok(Answer::NothingToReuse)), &[]).unwrap();
        host.flush().unwrap();
        let entries = vec![bare_entry("a"), bare_entry("b")];
        assert_eq!(archive::Host::reuse(&mut state, entries).unwrap(), [false, false]);
        let question = host.receive::<FromWorker>().unwrap();
        let Some(FromWorker::Question(Question::Reuse { entries })) = question else {
            panic!("{question:?}")
        };
        assert_eq!(entries.len(), count);
    }
    // A name that is none is refused as before, and another call asks anew.
    assert!(archive::Host::reuse(&mut state, vec![bare_entry("../a")]).is_err());
    state.begin_call(Activity::Export);
    assert!(!state.call.has_no_parent);
}

#[test]
fn a_file_of_the_kernel_is_read_to_its_end_although_it_has_no_length() {
    let (mut state, mut host) = state(Some((Path::new("/proc/self"), false)));
    state.begin_call(Activity::Export);
    let writer = create_entry(&mut state, "entry").unwrap();
    let file = open(&mut state, "status");
    state.write_file(writer, file, 0, None).unwrap();
    state.lane.socket().flush().unwrap();
    host.receive::<FromWorker>().unwrap();
    let data = host.receive::<FromWorker>().unwrap();
    assert!(matches!(data, Some(FromWorker::Data { length: 100.., .. })), "{data:?}");
}

#[test]
fn a_finished_or_old_entry_takes_nothing_more() {
    let (mut state, _host) = state(None);
    assert!(matches!(failure(create_entry(&mut state, "early")), Failure::Denied(_)));
    state.begin_call(Activity::Export);
    assert!(matches!(failure(create_entry(&mut state, "")), Failure::Other(_)));
    assert!(matches!(failure(create_entry(&mut state, "../out")), Failure::Other(_)));
    let finished = create_entry(&mut state, "finished").unwrap();
    state.finish(again(&finished)).unwrap();
    assert!(HostWriter::write(&mut state, again(&finished), vec![1]).is_err());
    assert!(state.finish(finished).is_err());
    let old = create_entry(&mut state, "old").unwrap();
    state.begin_call(Activity::Export);
    assert!(HostWriter::write(&mut state, again(&old), vec![1]).is_err());
    HostWriter::drop(&mut state, old).unwrap();
    assert_eq!(state.call.open_entries, 0);
}

#[test]
fn what_is_extracted_goes_to_the_host_in_batches() {
    let root = tempfile::tempdir().unwrap();
    let (mut state, mut host) = state(Some((root.path(), true)));
    state.begin_call(Activity::Import);
    let count = DESCRIPTORS_MAX + 2;
    let mut extractions = Vec::new();
    for index in 0..count {
        let name = index.to_string().into_bytes();
        let target =
            files::Host::create(&mut state, "data".to_owned(), name.clone(), false).unwrap();
        extractions.push(Extraction { path: name, target, offset: 0 });
    }
    let answering = thread::spawn(move || {
        let mut batches = Vec::new();
        while let Some(FromWorker::Question(Question::Extract { extractions })) =
            host.receive().unwrap()
        {
            for (path, _) in &extractions {
                let mut file = fs::File::from(host.take_descriptor().unwrap());
                file.write_all(path.as_bytes()).unwrap();
            }
            batches.push(extractions.len());
            let count = Answer::Count(extractions.len() as u64);
            host.send(&ToWorker::Answer(Ok(count)), &[]).unwrap();
        }
        batches
    });
    assert_eq!(archive::Host::extract(&mut state, extractions).unwrap(), count as u64);
    drop(state);
    assert_eq!(answering.join().unwrap(), [DESCRIPTORS_MAX, 2]);
    assert_eq!(fs::read(root.path().join("129")).unwrap(), b"129");
}

#[test]
fn an_answer_that_does_not_fit_its_question_is_not_believed() {
    let answers = [
        Answer::Done,
        Answer::Reused(vec![true; 2]),
        Answer::Connected { connection: 1, encrypted: false },
    ];
    for answer in answers {
        let (mut state, mut host) = state(None);
        state.begin_call(Activity::Export);
        host.send(&ToWorker::Answer(Ok(answer)), &[]).unwrap();
        host.flush().unwrap();
        let reply = archive::Host::reuse(&mut state, vec![bare_entry("a")]);
        assert!(matches!(reply, Err(Fault::Trap(_))), "{reply:?}");
    }
}

#[test]
fn a_listing_comes_in_pages() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..25 {
        fs::write(root.path().join(format!("{index:02}")), "").unwrap();
    }
    let (mut state, _host) = state(Some((root.path(), false)));
    let listing = files::Host::list_folder(&mut state, "data".to_owned(), Vec::new()).unwrap();
    let mut names = Vec::new();
    loop {
        let page = state.next(again(&listing), 10).unwrap();
        assert!(page.len() <= 10);
        if page.is_empty() {
            break;
        }
        names.extend(page.into_iter().map(|named| String::from_utf8(named.name).unwrap()));
    }
    assert_eq!(names, (0..25).map(|index| format!("{index:02}")).collect::<Vec<_>>());
}

/// Locks bytes as other programs do: for the whole process.
fn lock_as_a_process(path: &Path, kind: libc::c_int, start: i64, length: i64) -> fs::File {
    use std::os::fd::AsRawFd;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let request = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    #[expect(unsafe_code, reason = "no safe library locks ranges")]
    // SAFETY: the descriptor is open and the structure lives until the call has returned.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &request) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    file
}

#[test]
fn locks_meet_those_of_other_programs_and_end_with_their_handles() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    fs::write(&path, "").unwrap();
    let (mut state, _host) = state(Some((root.path(), false)));
    let file = open(&mut state, "file");
    let take = |state: &mut State, file: &Resource<OpenFile>, offset| {
        file_locks::Host::acquire(state, again(file), offset, 10, Mode::Shared, 20)
    };
    let is_free = |state: &mut State, offset| {
        file_locks::Host::is_free(state, again(&file), offset, 10, Mode::Exclusive).unwrap()
    };
    // Somebody writes bytes 100 to 109, and somebody reads bytes 200 to 209.
    let writing = lock_as_a_process(&path, libc::F_WRLCK, 100, 10);
    assert!(take(&mut state, &file, 109).unwrap().is_none() && !is_free(&mut state, 91));
    assert!(take(&mut state, &file, 110).unwrap().is_some());
    let reading = lock_as_a_process(&path, libc::F_RDLCK, 200, 10);
    let lock = take(&mut state, &file, 200).unwrap().unwrap();
    assert!(!is_free(&mut state, 200) && is_free(&mut state, 300));
    // What this file holds itself is refused, and is in nobody's way who asks through it.
    assert!(matches!(failure(take(&mut state, &file, 205)), Failure::Other(_)));
    // The locks of processes end when any descriptor of theirs is closed.
    drop((writing, reading));
    assert!(is_free(&mut state, 200));
    let second = open(&mut state, "file");
    let is_free_for_others = |state: &mut State| {
        file_locks::Host::is_free(state, again(&second), 200, 10, Mode::Exclusive).unwrap()
    };
    assert!(!is_free_for_others(&mut state));
    // A lock outlives the handle of its file, and ends with its own.
    HostFile::drop(&mut state, file).unwrap();
    assert!(!is_free_for_others(&mut state));
    HostLock::drop(&mut state, lock).unwrap();
    assert!(is_free_for_others(&mut state));
}

#[test]
fn a_cancelled_run_stops_all_but_the_cleaning_up() {
    let root = tempfile::tempdir().unwrap();
    let (mut state, _host) = state(Some((root.path(), true)));
    let grants = state.grants.clone();
    let began = Instant::now();
    let cancelling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        grants.cancelled.store(true, Ordering::Relaxed);
    });
    assert_eq!(failure(clock::Host::sleep(&mut state, 60_000)), Failure::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(20));
    cancelling.join().unwrap();
    assert_eq!(failure(random::Host::bytes(&mut state, 1)), Failure::Cancelled);
    assert_eq!(failure(files::Host::folders(&mut state)), Failure::Cancelled);
    state.begin_call(Activity::Cleanup);
    assert_eq!(random::Host::bytes(&mut state, 7).unwrap().len(), 7);
    assert!(random::Host::bytes(&mut state, u32::MAX).is_err());
}

#[test]
fn a_name_that_is_not_there_is_not_told_as_a_refusal() {
    let root = tempfile::tempdir().unwrap();
    let (mut state, _host) = state(Some((root.path(), false)));
    for (name, refusals) in [("missing", 0), ("../outside", 1)] {
        let reply = files::Host::open(&mut state, "data".to_owned(), name.as_bytes().to_vec());
        let told = state.refuse(reply.unwrap_err()).unwrap();
        assert!(matches!(told.into(), Failure::Other(_)), "{name}");
        assert_eq!(state.call.refusals, refusals, "{name}");
    }
}

#[test]
fn a_name_that_is_no_path_is_refused_before_the_system_sees_it() {
    let root = tempfile::tempdir().unwrap();
    let (mut state, _host) = state(Some((root.path(), true)));
    let long = vec![b'a'; EntryPath::LENGTH_MAX + 1];
    for name in [&b"../etc/passwd"[..], b"/etc/passwd", b"a\0b", b"a//b", b".", &long] {
        let reply = files::Host::open(&mut state, "data".to_owned(), name.to_vec());
        assert!(matches!(failure(reply), Failure::Other(_)));
    }
}
