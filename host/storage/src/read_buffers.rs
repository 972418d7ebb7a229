//! Memory of large reads that is used again.
//!
//! The system gives large pieces of memory as pages that it clears when they are touched first, which takes longer than copying a pack
//! from the page cache into pages that are there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes};

use crate::limits;

/// Those that nobody reads at the moment, the one that was given back last at the end.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffers(Mutex<Spare>);

#[derive(Debug, Default)]
struct Spare {
    buffers: VecDeque<Vec<u8>>,
    /// Of all of them.
    bytes: usize,
}

/// One that somebody reads; it comes back then.
struct Lent {
    buffer: Vec<u8>,
    length: usize,
    home: Arc<ReadBuffers>,
}

impl ReadBuffers {
    /// `length` bytes as `fill` leaves them, which is given some that say nothing.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn filled<E>(
        self: &Arc<Self>,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        if length < limits::READ_BUFFER_BYTES_MIN {
            let mut bytes = vec![0; length];
            fill(&mut bytes)?;
            return Ok(bytes.into());
        }
        let size = size_for(length);
        // What is never read into takes no memory.
        let buffer = self.take(size).unwrap_or_else(|| vec![0; size]);
        let mut lent = Lent { buffer, length, home: Arc::clone(self) };
        fill(lent.buffer.get_mut(..length).unwrap_or_default())?;
        Ok(Bytes::from_owner(lent))
    }

    fn take(&self, size: usize) -> Option<Vec<u8>> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = spare.buffers.iter().rposition(|buffer| buffer.len() == size)?;
        let buffer = spare.buffers.remove(place)?;
        spare.bytes -= buffer.len();
        Some(buffer)
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.bytes += buffer.len();
        spare.buffers.push_back(buffer);
        // The last one stays however large it is: the next read is likely to be as long.
        while spare.bytes > limits::READ_BUFFERS_KEPT_BYTES_MAX
            && spare.buffers.len() > 1
            && let Some(oldest) = spare.buffers.pop_front()
        {
            spare.bytes -= oldest.len();
        }
    }
}

/// Buffers come in few sizes, so that one fits the next read: powers of two, and three quarters of them.
fn size_for(length: usize) -> usize {
    let size = length.next_power_of_two();
    if length <= size / 4 * 3 { size / 4 * 3 } else { size }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}

/// The parts one after the other: as they are when there is only one.
pub(crate) fn joined(buffers: &Arc<ReadBuffers>, mut parts: opendal::Buffer) -> Bytes {
    if opendal::Buffer::count(&parts) <= 1 {
        return parts.to_bytes();
    }
    let Ok(bytes) = buffers.filled(parts.len(), |bytes| {
        parts.copy_to_slice(bytes);
        Ok::<_, Infallible>(())
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffers: &Arc<ReadBuffers>, length: usize, byte: u8) -> Bytes {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(byte);
            Ok::<_, Infallible>(())
        };
        let Ok(bytes) = buffers.filled(length, fill);
        assert!(bytes.len() == length && bytes.iter().all(|found| *found == byte));
        bytes
    }

    fn kept(buffers: &ReadBuffers) -> usize {
        let spare = buffers.0.lock().unwrap();
        assert_eq!(spare.bytes, spare.buffers.iter().map(Vec::len).sum::<usize>());
        spare.bytes
    }

    #[test]
    fn a_buffer_comes_back_when_nobody_reads_it() {
        let buffers = Arc::new(ReadBuffers::default());
        let length = 4 * limits::READ_BUFFER_BYTES_MIN;
        let first = read(&buffers, length, 1);
        let part = first.slice(..1);
        drop(first);
        assert_eq!(kept(&buffers), 0, "somebody reads a part of it");
        let place = part.as_ptr();
        drop(part);
        assert_eq!(kept(&buffers), length);
        let second = read(&buffers, length - 1, 2);
        assert_eq!(second.as_ptr(), place, "it is used again");
        let third = read(&buffers, length, 3);
        assert!(second.iter().all(|found| *found == 2), "and nobody else has it");
        drop((second, third));
        drop(read(&buffers, length / 2, 4));
        assert_eq!(kept(&buffers), 2 * length + length / 2, "a long one was given for a short");
    }

    #[test]
    fn a_buffer_is_at_most_half_as_long_again() {
        for length in [1, 2, 3, 4, 5, 100, 128 * 1024, 16 << 20, (16 << 20) + 1, 1 << 30] {
            let size = size_for(length);
            assert!(size >= length && size <= length + length.div_ceil(2), "{length}: {size}");
        }
    }

    #[test]
    fn short_reads_and_what_is_too_much_is_not_kept() {
        let buffers = Arc::new(ReadBuffers::default());
        drop(read(&buffers, limits::READ_BUFFER_BYTES_MIN - 1, 1));
        assert_eq!(kept(&buffers), 0);
        let half = limits::READ_BUFFERS_KEPT_BYTES_MAX / 2;
        drop([read(&buffers, half, 1), read(&buffers, half, 2), read(&buffers, half, 3)]);
        assert_eq!(kept(&buffers), 2 * half);
        drop(read(&buffers, 6 * half, 4));
        assert_eq!(kept(&buffers), 6 * half, "the last one stays");
    }

    #[test]
    fn what_cannot_be_read_costs_no_buffer() {
        let buffers = Arc::new(ReadBuffers::default());
        let length = limits::READ_BUFFER_BYTES_MIN;
        assert_eq!(buffers.filled(length, |_| Err("broken")), Err("broken"));
        assert_eq!(kept(&buffers), length);
    }

    #[test]
    fn parts_are_joined_in_their_order() {
        let buffers = Arc::new(ReadBuffers::default());
        let parts: Vec<Bytes> = (0..3_u8).map(|byte| vec![byte; 100_000].into()).collect();
        let whole = joined(&buffers, parts.clone().into());
        assert_eq!(whole, parts.concat());
        let alone = joined(&buffers, parts[1].clone().into());
        assert_eq!(alone.as_ptr(), parts[1].as_ptr());
    }
}
