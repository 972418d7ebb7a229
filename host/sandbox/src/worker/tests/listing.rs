//! Folders that are gone through.

use std::fs;

use lockgate_types::Failure;
use wasmtime::component::Resource;

use super::capability::{failure, state};
use crate::worker::bindings::lockgate::datastore::files::{Host, HostListing};
use crate::worker::capability::listing::Listing;
use crate::worker::fault::Reply;
use crate::worker::state::State;

fn list(state: &mut State) -> Reply<Resource<Listing>> {
    Host::list_folder(state, "data".to_owned(), Vec::new())
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
