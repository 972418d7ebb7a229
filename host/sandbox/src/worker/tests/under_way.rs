//! Transfers and lookups, with a lane whose other end is the test.

use std::sync::mpsc;

use wasmtime::component::Resource;

use super::capability::{again, bare_entry, failure, state};
use super::*;
use crate::limits::{DESCRIPTORS_MAX, LOOKUPS_MAX};
use crate::protocol::{Answer, Question};
use crate::worker::bindings::lockgate::datastore::archive::{
    self, Extraction, HostLookup, HostTransfer,
};
use crate::worker::bindings::lockgate::datastore::files;
use crate::worker::capability::under_way::{Lookup, Transfer};
use crate::worker::fault::Fault;
use crate::worker::state::{Activity, State};

/// During an import into a folder.
fn importing() -> (tempfile::TempDir, State, FrameSocket) {
    let root = tempfile::tempdir().unwrap();
    let (mut state, host) = state(Some((root.path(), true)));
    state.begin_call(Activity::Import);
    (root, state, host)
}

fn into_new_file(state: &mut State, name: &str) -> Extraction {
    let path = name.as_bytes().to_vec();
    let target = files::Host::create(state, "data".to_owned(), path.clone(), false).unwrap();
    Extraction { path, target, offset: 0 }
}

fn start_one(state: &mut State, name: &str) -> Resource<Transfer> {
    let extraction = into_new_file(state, name);
    archive::Host::start_extract(state, vec![extraction]).unwrap()
}

fn answer(host: &mut FrameSocket, answer: Result<Answer, Failure>) {
    host.send(&ToWorker::Answer(answer), &[]).unwrap();
    host.flush().unwrap();
}

fn look_up(state: &mut State, count: usize) -> Resource<Lookup> {
    archive::Host::start_reuse(
        state,
        (0..count).map(|number| bare_entry(&number.to_string())).collect(),
    )
    .unwrap()
}

fn listed(state: &mut State) -> usize {
    archive::Host::entries(state, Vec::new(), None, 10).unwrap().len()
}

#[test]
fn the_plugin_goes_on_while_files_are_filled() {
    let (root, mut state, mut host) = importing();
    let (goes_on, went_on) = mpsc::channel();
    let filling = thread::spawn(move || {
        let asked = host.receive().unwrap();
        assert!(matches!(asked, Some(FromWorker::Question(Question::Extract { .. }))), "{asked:?}");
        let mut file = File::from(host.take_descriptor().unwrap());
        went_on.recv().unwrap();
        file.write_all(b"filled").unwrap();
        answer(&mut host, Ok(Answer::Count(6)));
        host
    });
    let transfer = start_one(&mut state, "first");
    into_new_file(&mut state, "second");
    assert_eq!(std::fs::read(root.path().join("first")).unwrap(), b"");
    goes_on.send(()).unwrap();
    assert_eq!(HostTransfer::finish(&mut state, again(&transfer)).unwrap(), 6);
    assert_eq!(std::fs::read(root.path().join("first")).unwrap(), b"filled");
    assert!(
        matches!(failure(HostTransfer::finish(&mut state, transfer)), Failure::Other(text) if text.contains("finished"))
    );
    state.confirm().unwrap();
    drop(filling.join().unwrap());
}

#[test]
fn each_question_gets_its_own_answer() {
    let (_root, mut state, mut host) = importing();
    answer(&mut host, Ok(Answer::Count(1)));
    answer(&mut host, Err(Failure::Corrupt("damaged".to_owned())));
    answer(&mut host, Ok(Answer::Entries(Vec::new())));
    answer(&mut host, Ok(Answer::Count(3)));
    answer(&mut host, Ok(Answer::Count(4)));
    let first = start_one(&mut state, "first");
    let second = start_one(&mut state, "second");
    assert_eq!(listed(&mut state), 0);
    let third = start_one(&mut state, "third");
    let alone = into_new_file(&mut state, "alone");
    assert_eq!(archive::Host::extract(&mut state, vec![alone]).unwrap(), 4);
    assert_eq!(HostTransfer::finish(&mut state, third).unwrap(), 3);
    assert_eq!(
        failure(HostTransfer::finish(&mut state, second)),
        Failure::Corrupt("damaged".to_owned())
    );
    assert_eq!(HostTransfer::finish(&mut state, first).unwrap(), 1);
}

#[test]
fn a_lookup_is_answered_later() {
    let (mut state, mut host) = state(None);
    state.begin_call(Activity::Export);
    answer(&mut host, Ok(Answer::Reused(vec![true, false])));
    answer(&mut host, Ok(Answer::NothingToReuse));
    answer(&mut host, Ok(Answer::Reused(vec![true])));
    let first = look_up(&mut state, 2);
    let second = look_up(&mut state, 3);
    let wrong = look_up(&mut state, 3);
    assert!(matches!(HostLookup::finish(&mut state, wrong), Err(Fault::Trap(_))));
    assert_eq!(HostLookup::finish(&mut state, second).unwrap(), [false; 3]);
    assert_eq!(HostLookup::finish(&mut state, again(&first)).unwrap(), [true, false]);
    assert!(matches!(failure(HostLookup::finish(&mut state, first)), Failure::Other(_)));
    assert!(state.call.has_no_parent);
    drop(state);
    for asked in [2, 3, 3] {
        let question = host.receive().unwrap();
        let Some(FromWorker::Question(Question::Reuse { entries })) = question else {
            panic!("{question:?}");
        };
        assert_eq!(entries.len(), asked);
    }
}

#[test]
fn several_lookups_are_under_way_and_each_gets_its_own_answer() {
    let (mut state, mut host) = state(None);
    state.begin_call(Activity::Export);
    let is_reused = |count: usize| count.is_multiple_of(2);
    // Nobody answers yet.
    let mut lookups: Vec<_> = (1..=LOOKUPS_MAX).map(|count| look_up(&mut state, count)).collect();
    let answering = thread::spawn(move || {
        for count in 1..=LOOKUPS_MAX + 1 {
            let question = host.receive().unwrap();
            let Some(FromWorker::Question(Question::Reuse { entries })) = question else {
                panic!("{question:?}");
            };
            assert_eq!(entries.len(), count);
            answer(&mut host, Ok(Answer::Reused(vec![is_reused(count); count])));
        }
    });
    lookups.push(look_up(&mut state, LOOKUPS_MAX + 1));
    for (place, lookup) in lookups.into_iter().enumerate().rev() {
        let count = place + 1;
        assert_eq!(HostLookup::finish(&mut state, lookup).unwrap(), vec![is_reused(count); count]);
    }
    answering.join().unwrap();
}

#[test]
fn a_call_that_leaves_a_transfer_fails() {
    let (_root, mut state, mut host) = importing();
    answer(&mut host, Ok(Answer::Count(1)));
    answer(&mut host, Ok(Answer::Count(2)));
    answer(&mut host, Ok(Answer::Entries(Vec::new())));
    let dropped = start_one(&mut state, "dropped");
    HostTransfer::drop(&mut state, dropped).unwrap();
    let kept = start_one(&mut state, "kept");
    state.settle().unwrap();
    assert!(state.confirm().is_err());
    state.begin_call(Activity::Import);
    assert!(
        matches!(failure(HostTransfer::finish(&mut state, kept)), Failure::Other(text) if text.contains("has ended"))
    );
    assert_eq!(listed(&mut state), 0);
    state.confirm().unwrap();
}

#[test]
fn a_transfer_has_its_limit_and_its_time() {
    let root = tempfile::tempdir().unwrap();
    let (mut state, _host) = state(Some((root.path(), true)));
    state.begin_call(Activity::Export);
    let early = archive::Host::start_extract(&mut state, Vec::new());
    assert!(matches!(failure(early), Failure::Denied(_)));
    state.begin_call(Activity::Import);
    let many = (0..=DESCRIPTORS_MAX).map(|it| into_new_file(&mut state, &it.to_string())).collect();
    let refused = archive::Host::start_extract(&mut state, many);
    assert!(matches!(failure(refused), Failure::Other(text) if text.contains("129 entries")));
    state.confirm().unwrap();
}

#[test]
fn without_a_handle_no_answer_is_kept() {
    let (mut state, mut host) = state(None);
    state.table.set_max_capacity(1);
    state.begin_call(Activity::Export);
    answer(&mut host, Ok(Answer::Reused(vec![true])));
    answer(&mut host, Ok(Answer::Reused(vec![false])));
    let held = look_up(&mut state, 1);
    let refused = archive::Host::start_reuse(&mut state, vec![bare_entry("1")]);
    assert!(matches!(failure(refused), Failure::Other(text) if text.contains("limit `handles`")));
    assert_eq!(HostLookup::finish(&mut state, held).unwrap(), [true]);
    assert!(state.confirm().is_err());
}
