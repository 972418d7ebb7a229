//! `files.listing`: the names of one folder, page by page.

use rustix::io::Errno;
use wasmtime::component::Resource;

use crate::limits::PAGE_ENTRIES_MAX;
use crate::worker::bindings::lockgate::datastore::files::{self, HostListing};
use crate::worker::fault::{Fault, Reply};
use crate::worker::folder::{Named, Names, Owners, Shown, stat_named};
use crate::worker::state::State;

/// A folder that the plugin is going through.
#[derive(Debug)]
pub struct Listing {
    names: Names,
    /// Of the name that comes next.
    next: usize,
    name: Shown,
}

impl Listing {
    /// Of a folder that messages call `name`.
    pub fn new(names: Names, name: Shown) -> Self {
        Self { names, next: 0, name }
    }

    fn page(&mut self, limit: usize, owners: &Owners) -> Reply<Vec<files::Named>> {
        let mut page = Vec::with_capacity(limit.min(self.names.count() - self.next));
        while page.len() < limit
            && let Some(name) = self.names.get(self.next)
        {
            let found = stat_named(&self.names, name, owners);
            // What was found before a name that cannot be looked up is not lost: that name is the next call's failure, and
            // the call after that goes on behind it.
            if found.is_err() && !page.is_empty() {
                break;
            }
            self.next += 1;
            match found {
                Ok(Some(Named { name, metadata })) => {
                    page.push(files::Named { name, metadata: metadata.into() });
                }
                Ok(None) => {}
                Err(errno) => return Err(self.refused(self.next - 1, errno)),
            }
        }
        Ok(page)
    }

    fn refused(&self, index: usize, errno: Errno) -> Fault {
        let shown = self.names.get(index).unwrap_or_default().to_bytes().escape_ascii();
        Fault::system("look at", format_args!("{}/{shown}", self.name), errno)
    }
}

impl HostListing for State {
    fn next(&mut self, listing: Resource<Listing>, limit: u32) -> Reply<Vec<files::Named>> {
        self.go_on()?;
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX) as usize;
        self.table.get_mut(&listing)?.page(limit, &self.grants.owners)
    }

    fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        let listing = self.table.delete(listing)?;
        self.listing_bytes = self.listing_bytes.saturating_sub(listing.names.bytes());
        Ok(())
    }
}
