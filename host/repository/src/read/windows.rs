//! Pieces of packs that are fetched before they are asked for.
//!
//! Who restores many small files asks for one piece of a pack after the other. A request to an object store takes tens of
//! milliseconds whatever it brings, so a piece that follows the last one is fetched with what lies behind it, and while that is used the
//! next comes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio_util::task::AbortOnDropHandle;

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
    /// What lies behind it.
    next: Option<Next>,
}

/// On its way. Nothing waits for it when nobody does.
#[derive(Debug)]
struct Next {
    /// In the pack.
    place: Range<u64>,
    task: AbortOnDropHandle<Result<Bytes>>,
}

/// What is known of a piece.
#[derive(Debug)]
enum Known {
    /// Its bytes.
    Bytes(Bytes),
    /// The first of its bytes, if any, and what has the others.
    Comes(Bytes, Next),
    /// It comes after the last piece of its pack.
    Follows,
    Nothing,
}

impl Windows {
    fn look(&self, pack: PackNumber, wanted: &Range<u64>) -> Known {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(window) = windows.iter_mut().find(|window| window.pack == pack) else {
            return Known::Nothing;
        };
        if let Some(bytes) = &window.bytes
            && window.place.start <= wanted.start
        {
            let inside = |place: u64| (place.min(window.place.end) - window.place.start) as usize;
            let head = || bytes.slice(inside(wanted.start)..inside(wanted.end));
            if wanted.end <= window.place.end {
                return Known::Bytes(head());
            }
            if let Some(next) = window.next.take_if(|next| wanted.end <= next.place.end) {
                return Known::Comes(head(), next);
            }
        }
        let is_near = window.place.start <= wanted.start
            && wanted.start <= window.place.end + limits::REGION_GAP_BYTES_MAX;
        if is_near { Known::Follows } else { Known::Nothing }
    }

    fn keep(&self, pack: PackNumber, place: Range<u64>, bytes: Option<Bytes>) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|other| other.pack != pack);
        windows.truncate(limits::WINDOWS_MAX - 1);
        windows.push_front(Window { pack, place, bytes, next: None });
    }

    /// Has `fetch` bring what lies behind the bytes of a pack that ends at `last`, unless it is on its way.
    fn go_on(
        &self,
        pack: PackNumber,
        last: u64,
        fetch: impl FnOnce(Range<u64>) -> AbortOnDropHandle<Result<Bytes>>,
    ) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.iter_mut().find(|window| window.pack == pack)
            && window.bytes.is_some()
            && window.next.is_none()
            && window.place.end < last
        {
            let from = window.place.end;
            let place = from..last.min(from + limits::WINDOW_BYTES);
            window.next = Some(Next { place: place.clone(), task: fetch(place) });
        }
    }
}

impl Reader {
    /// The sealed bytes of a region.
    pub(super) async fn fetch(&self, region: &Region) -> Result<Bytes> {
        let (pack, wanted) = (region.pack, region.bytes.clone());
        // What nobody asked for yet may be damaged, or an index wrong about it: then what is wanted is fetched alone.
        let near = match self.inner.windows.look(pack, &wanted) {
            Known::Bytes(bytes) => Some(bytes),
            Known::Comes(head, next) => self.arrived(pack, &wanted, head, next).await,
            Known::Follows => match self.with_following(pack, &wanted).await {
                Some(bytes) => return Ok(bytes),
                None => None,
            },
            Known::Nothing => None,
        };
        if let Some(bytes) = near {
            self.fetch_next(pack);
            return Ok(bytes);
        }
        let bytes = self.piece(pack, wanted.clone()).await?;
        self.inner.windows.keep(pack, wanted, None);
        Ok(bytes)
    }

    /// `wanted`, of which `head` has the first bytes and `next` the others.
    async fn arrived(
        &self,
        pack: PackNumber,
        wanted: &Range<u64>,
        head: Bytes,
        next: Next,
    ) -> Option<Bytes> {
        let bytes = next.task.await.ok()?.ok()?;
        let inside = |place: u64| usize::try_from(place.saturating_sub(next.place.start)).ok();
        let tail = bytes.get(inside(wanted.start)?..inside(wanted.end)?)?;
        let own = if head.is_empty() {
            bytes.slice_ref(tail)
        } else {
            let mut own = BytesMut::with_capacity(head.len() + tail.len());
            own.extend_from_slice(&head);
            own.extend_from_slice(tail);
            own.freeze()
        };
        self.inner.windows.keep(pack, next.place, Some(bytes));
        Some(own)
    }

    /// `wanted`, fetched with what lies behind it when that may be more than itself.
    async fn with_following(&self, pack: PackNumber, wanted: &Range<u64>) -> Option<Bytes> {
        let length = wanted.end - wanted.start;
        if length >= limits::WINDOW_BYTES / 2 {
            return None;
        }
        let last = u64::from(self.inner.index.pack_end(pack));
        let place = wanted.start..last.min(wanted.start + limits::WINDOW_BYTES);
        let bytes = self.piece(pack, place.clone()).await.ok()?;
        let own = bytes.slice_ref(bytes.get(..usize::try_from(length).ok()?)?);
        self.inner.windows.keep(pack, place, Some(bytes));
        Some(own)
    }

    /// Begins to fetch what lies behind what was fetched last of a pack.
    fn fetch_next(&self, pack: PackNumber) {
        let last = u64::from(self.inner.index.pack_end(pack));
        self.inner.windows.go_on(pack, last, |place| {
            // Not the reader: it owns the task, and would live on for it.
            let (storage, name) = (self.inner.repository.storage().clone(), self.name_of(pack));
            let fetch = async move { Ok(storage.get_range(&name, place).await?) };
            AbortOnDropHandle::new(tokio::spawn(fetch))
        });
    }

    async fn piece(&self, pack: PackNumber, place: Range<u64>) -> Result<Bytes> {
        let name = self.name_of(pack);
        Ok(self.inner.repository.storage().get_range(&name, place).await?)
    }

    fn name_of(&self, pack: PackNumber) -> String {
        pack_name(&self.inner.index.pack_id(pack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn next(place: Range<u64>) -> AbortOnDropHandle<Result<Bytes>> {
        let bytes = vec![7; (place.end - place.start) as usize];
        AbortOnDropHandle::new(tokio::spawn(async move { Ok(Bytes::from(bytes)) }))
    }

    fn bytes_of(known: Known) -> Bytes {
        match known {
            Known::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_piece_is_found_follows_or_is_new() {
        let windows = Windows::default();
        let (pack, other) = (PackNumber(1), PackNumber(2));
        assert!(matches!(windows.look(pack, &(0..10)), Known::Nothing));
        windows.keep(pack, 0..10, None);
        assert!(matches!(windows.look(pack, &(0..10)), Known::Follows));
        assert!(matches!(windows.look(other, &(10..20)), Known::Nothing));
        windows.keep(pack, 10..20, Some(Bytes::from_static(b"0123456789")));
        assert_eq!(bytes_of(windows.look(pack, &(12..15))), "234");
        assert!(matches!(windows.look(pack, &(15..21)), Known::Follows));
        assert!(matches!(windows.look(pack, &(9..12)), Known::Nothing));
        let far = 20 + limits::REGION_GAP_BYTES_MAX + 1;
        assert!(matches!(windows.look(pack, &(far..far + 1)), Known::Nothing));
        for number in 2..=u32::try_from(limits::WINDOWS_MAX).unwrap() + 1 {
            windows.keep(PackNumber(number), 0..1, None);
        }
        assert!(matches!(windows.look(pack, &(12..15)), Known::Nothing));
    }

    #[tokio::test]
    async fn what_comes_next_is_fetched_once_and_not_beyond_the_pack() {
        let windows = Windows::default();
        let pack = PackNumber(1);
        let refuse = |_| panic!("there is nothing to fetch");
        windows.go_on(pack, 100, refuse);
        windows.keep(pack, 10..20, None);
        windows.go_on(pack, 100, refuse);
        windows.keep(pack, 10..20, Some(Bytes::from_static(b"0123456789")));
        windows.go_on(pack, 20, refuse);
        windows.go_on(pack, 30, next);
        windows.go_on(pack, 30, refuse);
        assert_eq!(bytes_of(windows.look(pack, &(18..20))), "89");
        assert!(matches!(windows.look(pack, &(18..31)), Known::Follows));
        let Known::Comes(head, next) = windows.look(pack, &(18..30)) else { panic!("it comes") };
        assert_eq!((&head[..], &next.place), (&b"89"[..], &(20..30)));
        let came: Result<Bytes, Error> = next.task.await.unwrap();
        assert_eq!(came.unwrap().len(), 10);
        // Whoever asks now has to fetch it: it was handed out.
        assert!(matches!(windows.look(pack, &(20..30)), Known::Follows));
    }
}
