//! Pieces of packs that are fetched before they are asked for.
//!
//! Who restores many small files asks for one piece of a pack after the other. A request to an object store takes tens of
//! milliseconds whatever it brings, so a piece that follows the last one is fetched with what lies behind it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::Reader;
use super::region::Region;
use crate::error::Result;
use crate::index::PackNumber;
use crate::layout::pack_name;
use crate::limits;

/// What was fetched last of the packs that were read last.
#[derive(Debug, Default)]
pub(super) struct Windows(Mutex<VecDeque<Window>>);

#[derive(Debug)]
struct Window {
    pack: PackNumber,
    /// In the pack.
    place: Range<u64>,
    /// None when nothing beyond what was asked for was fetched.
    bytes: Option<Bytes>,
}

/// What is known of a piece.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// Its bytes.
    Bytes(Bytes),
    /// It comes after the last piece of its pack.
    Follows,
    Nothing,
}

impl Windows {
    fn look(&self, pack: PackNumber, wanted: &Range<u64>) -> Known {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(window) = windows.iter().find(|window| window.pack == pack) else {
            return Known::Nothing;
        };
        if let Some(bytes) = &window.bytes
            && window.place.start <= wanted.start
            && wanted.end <= window.place.end
        {
            let from = (wanted.start - window.place.start) as usize;
            return Known::Bytes(bytes.slice(from..from + (wanted.end - wanted.start) as usize));
        }
        let is_near = window.place.start <= wanted.start
            && wanted.start <= window.place.end + limits::REGION_GAP_BYTES_MAX;
        if is_near { Known::Follows } else { Known::Nothing }
    }

    fn keep(&self, window: Window) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|other| other.pack != window.pack);
        windows.truncate(limits::WINDOWS_MAX - 1);
        windows.push_front(window);
    }
}

impl Reader {
    /// The sealed bytes of a region.
    pub(super) async fn fetch(&self, region: &Region) -> Result<Bytes> {
        let (pack, wanted) = (region.pack, region.bytes.clone());
        let known = self.inner.windows.look(pack, &wanted);
        if let Known::Bytes(bytes) = known {
            return Ok(bytes);
        }
        let name = pack_name(&self.inner.index.pack_id(pack));
        let storage = self.inner.repository.storage();
        let length = wanted.end - wanted.start;
        if known == Known::Follows && length < limits::WINDOW_BYTES / 2 {
            let last = u64::from(self.inner.index.pack_end(pack));
            let place = wanted.start..last.min(wanted.start + limits::WINDOW_BYTES);
            // What lies behind may be damaged, or an index wrong about it: then what is wanted is fetched alone.
            if let Ok(bytes) = storage.get_range(&name, place.clone()).await
                && let Ok(count) = usize::try_from(length)
                && count <= bytes.len()
            {
                let own = bytes.slice(..count);
                self.inner.windows.keep(Window { pack, place, bytes: Some(bytes) });
                return Ok(own);
            }
        }
        let bytes = storage.get_range(&name, wanted.clone()).await?;
        self.inner.windows.keep(Window { pack, place: wanted, bytes: None });
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_found_follows_or_is_new() {
        let windows = Windows::default();
        let (pack, other) = (PackNumber(1), PackNumber(2));
        assert_eq!(windows.look(pack, &(0..10)), Known::Nothing);
        windows.keep(Window { pack, place: 0..10, bytes: None });
        assert_eq!(windows.look(pack, &(0..10)), Known::Follows);
        assert_eq!(windows.look(other, &(10..20)), Known::Nothing);
        let bytes = Some(Bytes::from_static(b"0123456789"));
        windows.keep(Window { pack, place: 10..20, bytes });
        assert_eq!(windows.look(pack, &(12..15)), Known::Bytes(Bytes::from_static(b"234")));
        assert_eq!(windows.look(pack, &(15..21)), Known::Follows);
        assert_eq!(windows.look(pack, &(9..12)), Known::Nothing);
        let far = 20 + limits::REGION_GAP_BYTES_MAX + 1;
        assert_eq!(windows.look(pack, &(far..far + 1)), Known::Nothing);
        for number in 2..=u32::try_from(limits::WINDOWS_MAX).unwrap() + 1 {
            windows.keep(Window { pack: PackNumber(number), place: 0..1, bytes: None });
        }
        assert_eq!(windows.look(pack, &(12..15)), Known::Nothing);
    }
}
