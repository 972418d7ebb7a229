//! Which bytes of which packs are fetched together.

use std::ops::Range;

use crate::index::{Location, PackNumber};
use crate::limits;

/// A piece of a pack and the blobs in it that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) pack: PackNumber,
    /// In the pack.
    pub(super) bytes: Range<u64>,
    /// Plain bytes of the wanted blobs.
    pub(super) plain_length: u64,
    /// Plain bytes of the largest of them.
    largest: u64,
    /// In the list that was planned.
    pub(super) wanted: Range<usize>,
}

impl Region {
    fn of(location: &Location, index: usize) -> Self {
        let start = u64::from(location.offset);
        Self {
            pack: location.pack,
            bytes: start..start + u64::from(location.length),
            plain_length: u64::from(location.plain_length()),
            largest: u64::from(location.plain_length()),
            wanted: index..index + 1,
        }
    }

    /// Whether the blob was taken in: it must not lie before what is there, and not too far behind it.
    fn take(&mut self, location: &Location, index: usize) -> bool {
        let next = Self::of(location, index);
        let is_repeated =
            next.bytes.start < self.bytes.end && self.bytes.contains(&next.bytes.start);
        let follows = next.bytes.start >= self.bytes.end
            && next.bytes.start - self.bytes.end <= limits::REGION_GAP_BYTES_MAX;
        let end = next.bytes.end.max(self.bytes.end);
        let fits = end - self.bytes.start <= limits::REGION_BYTES_MAX
            && self.plain_length + next.plain_length <= limits::REGION_PLAIN_BYTES_MAX;
        if self.pack != next.pack || !(is_repeated || follows && fits) {
            return false;
        }
        if follows {
            self.plain_length += next.plain_length;
            self.largest = self.largest.max(next.largest);
        }
        self.bytes.end = end;
        self.wanted.end = index + 1;
        true
    }

    /// Where `location` lies in the bytes of the region.
    pub(super) fn place(&self, location: &Location) -> Range<usize> {
        let start = usize::try_from(u64::from(location.offset) - self.bytes.start).unwrap_or(0);
        start..start + location.length as usize
    }

    /// KiB of memory from the fetch to the last write.
    pub(super) fn memory_kib(&self) -> u32 {
        let opened = self.plain_length.min(limits::OPENED_BYTES_AT_A_TIME + self.largest);
        let bytes = self.bytes.end - self.bytes.start + opened;
        u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(limits::EXTRACT_KIB_MAX)
    }
}

/// Groups `wanted`, which must be in the order of packs and offsets; the same blob may stand in it many times.
pub(super) fn plan<'a>(wanted: impl Iterator<Item = &'a Location>) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for (index, location) in wanted.enumerate() {
        let is_taken = regions.last_mut().is_some_and(|region| region.take(location, index));
        if !is_taken {
            regions.push(Region::of(location, index));
        }
    }
    regions
}
