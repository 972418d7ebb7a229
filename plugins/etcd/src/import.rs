//! Puts archived keys into a target.

use std::iter::Peekable;

use lockgate_plugin::{Error as Told, archive, job};

use crate::client::Client;
use crate::error::Error;
use crate::keyspace::shown;
use crate::leases::{self, Granted};
use crate::records::{ENTRY, Reader};
use crate::scan::{KeyValue, Revision, Scan, What};
use crate::target::Segment;
use crate::write::Batch;

/// Keys between two words of progress.
const PROGRESS_KEYS: u64 = 1_000;

/// The keys of a part on their way to a target.
#[derive(Debug)]
pub struct Importing<'a> {
    /// The way to the target.
    pub client: &'a mut Client,
    /// For messages.
    pub part: &'a str,
    /// Where the keys go.
    pub segments: &'a [Segment],
    /// Whether what is there is replaced.
    pub overwrite: bool,
}

/// The archived keys with the segments that they are in.
struct Archived<'a> {
    reader: Reader<archive::EntryReader>,
    segments: Peekable<std::slice::Iter<'a, Segment>>,
}

impl<'a> Archived<'a> {
    fn open(segments: &'a [Segment]) -> Result<Self, Error> {
        let reader = Reader::new(archive::open(ENTRY.as_bytes())?)?;
        Ok(Self { reader, segments: segments.iter().peekable() })
    }

    /// The next key, under its new name.
    fn next(&mut self) -> Result<Option<(KeyValue, &'a Segment)>, Error> {
        let Some(mut record) = self.reader.read()? else { return Ok(None) };
        let is_passed =
            |segment: &Segment| segment.source.to.as_ref().is_some_and(|to| *to <= record.key);
        while self.segments.next_if(|segment| is_passed(segment)).is_some() {}
        match self.segments.peek() {
            Some(segment) if segment.source.contains(&record.key) => {
                record.key = segment.live(&record.key);
                Ok(Some((record, segment)))
            }
            _ => {
                let text = format!(
                    "the archived key {} is where another one is renamed to",
                    shown(&record.key)
                );
                Err(Told::conflict(text).into())
            }
        }
    }
}

impl Importing<'_> {
    /// Removes what the archive does not have, when overwriting, and writes what it has: keys with leases last, so that few
    /// of them end before the restore does.
    ///
    /// # Errors
    /// When the server refuses, the archive is damaged, or the run was cancelled.
    pub fn run(&mut self) -> Result<(), Error> {
        if self.overwrite {
            self.remove_others()?;
        }
        self.put(|record| record.lease == 0)?;
        let leases = leases::read()?;
        if leases.is_empty() {
            return Ok(());
        }
        grant(self.client, &leases)?;
        match self.put(|record| record.lease != 0) {
            Err(error) if error.is_lease_gone() => {
                Err(error.during("a lease is too short for the restore, or is not in the archive"))
            }
            done => done,
        }
    }

    fn put(&mut self, is_wanted: impl Fn(&KeyValue) -> bool) -> Result<(), Error> {
        let mut archived = Archived::open(self.segments)?;
        let mut batch = Batch::new(self.overwrite);
        let (mut items, mut bytes) = (0, 0);
        while let Some((record, _)) = archived.next()? {
            if is_wanted(&record) {
                batch.put(self.client, &record)?;
            }
            items += 1;
            bytes += (record.key.len() + record.value.len()) as u64;
            if items % PROGRESS_KEYS == 0 {
                job::progress(self.part, bytes, items);
            }
        }
        batch.flush(self.client)
    }

    /// Goes through the live and the archived names side by side.
    fn remove_others(&mut self) -> Result<(), Error> {
        let mut archived = Archived::open(self.segments)?;
        let mut batch = Batch::new(true);
        let mut next = archived.next()?;
        for segment in self.segments {
            let mut live = Scan::new(&segment.target, What::Names, Revision::Moving);
            while let Some(KeyValue { key, .. }) = live.next(self.client)? {
                // Names in one segment keep their order.
                while next.as_ref().is_some_and(|(record, own)| {
                    own.source < segment.source || (*own == segment && record.key < key)
                }) {
                    next = archived.next()?;
                }
                let is_kept =
                    next.as_ref().is_some_and(|(record, own)| *own == segment && record.key == key);
                if !is_kept {
                    batch.remove(self.client, &key)?;
                }
            }
        }
        batch.flush(self.client)
    }
}

/// Makes leases that are not there yet.
///
/// # Errors
/// When one is there with another time to live, or the server refuses.
pub fn grant(client: &mut Client, leases: &Granted) -> Result<(), Error> {
    for (&lease, &ttl) in leases {
        leases::grant(client, lease, ttl)?;
    }
    Ok(())
}
