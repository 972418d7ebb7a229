//! Folders that are gone through.

use std::fs;
use std::path::Path;

use lockgate_types::Failure;
use wasmtime::component::Resource;

use super::capability::{failure, state};
use crate::limits::{AHEAD_BYTES_MAX, AHEAD_NAMES_MAX};
use crate::worker::bindings::lockgate::datastore::files::{Host, HostListing};
use crate::worker::capability::listing::Listing;
use crate::worker::fault::Reply;
use crate::worker::state::State;

fn list(state: &mut State) -> Reply<Resource<Listing>> {
    Host::list_folder(state, "data".to_owned(), Vec::new())
}

fn page(state: &mut State, listing: &Resource<Listing>, limit: u32) -> Vec<String> {
    let page = HostListing::next(state, Resource::new_borrow(listing.rep()), limit).unwrap();
    page.into_iter().map(|named| String::from_utf8(named.name).unwrap()).collect()
}

fn make(root: &Path, names: impl IntoIterator<Item = String>) {
    names.into_iter().for_each(|name| fs::write(root.join(name), "").unwrap());
}

#[test]
fn listings_that_are_open_share_one_limit() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("name"), "").unwrap();
    let (mut state, _host) = state(Some((root.path(), false)));
    let first = list(&mut state).unwrap();
    let one = state.listing_bytes;
    assert!(one >= 5);
    state.listing_bytes = crate::limits::LISTING_BYTES_MAX - one + 1;
    assert!(matches!(failure(list(&mut state)), Failure::Unsupported(_)));
    state.listing_bytes = one;
    HostListing::drop(&mut state, first).unwrap();
    assert_eq!(state.listing_bytes, 0);
}

#[test]
fn names_that_were_looked_at_ahead_come_once_and_in_their_place() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), (10..16).map(|number| number.to_string()));
    let (mut state, _host) = state(Some((root.path(), false)));
    let listing = list(&mut state).unwrap();
    assert_eq!(page(&mut state, &listing, 2), ["10", "11"]);
    state.look_ahead();
    // What was looked at before it was removed is told as it was then.
    fs::remove_file(root.path().join("13")).unwrap();
    assert_eq!(page(&mut state, &listing, 3), ["12", "13", "14"]);
    state.look_ahead();
    assert_eq!(page(&mut state, &listing, 500), ["15"]);
    state.look_ahead();
    assert!(page(&mut state, &listing, 500).is_empty());
    HostListing::drop(&mut state, listing).unwrap();
    state.look_ahead();
}

#[test]
fn what_is_looked_at_ahead_is_limited() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), (0..=AHEAD_NAMES_MAX).map(|number| format!("{number:04}")));
    let (mut state, _host) = state(Some((root.path(), false)));
    let listing = list(&mut state).unwrap();
    state.look_ahead();
    for name in fs::read_dir(root.path()).unwrap() {
        fs::remove_file(name.unwrap().path()).unwrap();
    }
    let count = page(&mut state, &listing, 1_000).len();
    assert_eq!(count, AHEAD_NAMES_MAX, "the last was looked at when it was gone");
}

#[test]
fn attributes_of_names_that_are_looked_at_ahead_share_one_limit() {
    const VALUE_BYTES: usize = 3_000;
    let root = tempfile::tempdir().unwrap();
    make(root.path(), (0..400).map(|number| format!("{number:04}")));
    for name in fs::read_dir(root.path()).unwrap() {
        let (path, flags) = (name.unwrap().path(), rustix::fs::XattrFlags::empty());
        rustix::fs::setxattr(&path, "user.lockgate", &[0; VALUE_BYTES], flags).unwrap();
    }
    let (mut state, _host) = state(Some((root.path(), false)));
    let listing = list(&mut state).unwrap();
    state.look_ahead();
    state.look_ahead();
    for name in fs::read_dir(root.path()).unwrap() {
        fs::remove_file(name.unwrap().path()).unwrap();
    }
    let count = page(&mut state, &listing, 1_000).len();
    assert_eq!(count, AHEAD_BYTES_MAX.div_ceil(VALUE_BYTES));
}
