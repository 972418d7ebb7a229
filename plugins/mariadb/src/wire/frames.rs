//! Reads framed bytes: a length of three bytes, one byte that marks the frame, and the payload. A message is a frame, or
//! several when it is longer than one can hold. The protocol frames its messages like this
//! (<https://mariadb.com/kb/en/0-packet/>, the mark is a sequence number), and so does our archive its rows.

use std::io::Read;

use crate::error::Error;
use crate::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, TRANSFER_BYTES};

/// Bytes in front of the payload of a frame.
pub const HEADER_BYTES: usize = 4;

/// A message, or a piece of one that is too large to be held.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// All of a message that fits into the buffer.
    Whole(&'a [u8]),
    /// A frame of a large message begins; it has so many bytes, which follow as [`Message::Piece`]. A frame of none ends
    /// a message whose size is a multiple of [`FRAME_BYTES_MAX`].
    Frame(usize),
    /// The next bytes of the frame. `ends` when they are the last of the message.
    #[allow(missing_docs, reason = "said above")]
    Piece { bytes: &'a [u8], ends: bool },
}

/// What the marks of frames must be.
#[derive(Clone, Copy, Debug)]
pub enum Marks {
    /// Numbers that count up and wrap.
    Sequence,
    /// Anything; the first frame's is kept for the reader.
    Free,
}

/// Frames out of a byte stream.
#[derive(Debug)]
pub struct Frames<R> {
    source: R,
    marks: Marks,
    /// The mark of the last frame, or the number that the next one must have.
    mark: u8,
    input: Vec<u8>,
    start: usize,
    end: usize,
    joined: Vec<u8>,
    /// Bytes that are left of a frame that is handed out in pieces.
    piece_left: usize,
    /// Whether that frame is continued by another one.
    piece_continues: bool,
}

impl<R: Read> Frames<R> {
    /// From the start of `source`.
    pub fn new(source: R, marks: Marks) -> Self {
        Self {
            source,
            marks,
            mark: 0,
            input: vec![0; TRANSFER_BYTES + HEADER_BYTES],
            start: 0,
            end: 0,
            joined: Vec::new(),
            piece_left: 0,
            piece_continues: false,
        }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Where the bytes come from, to write to or to change.
    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The mark of the last frame, or the number that the next one must have.
    pub fn mark(&self) -> u8 {
        self.mark
    }

    /// Sets the number that the next frame must have.
    pub fn set_mark(&mut self, mark: u8) {
        self.mark = mark;
    }

    /// Whether bytes have arrived that nobody asked for yet.
    pub fn has_unread(&self) -> bool {
        self.start != self.end
    }

    /// The mark of the next frame, without taking it.
    ///
    /// # Errors
    /// When the stream ends first.
    #[inline]
    pub fn peek_mark(&mut self) -> Result<u8, Error> {
        self.fill(HEADER_BYTES)?;
        let mark = self.input.get(self.start + HEADER_BYTES - 1);
        let Some(mark) = mark else { return Err(Error::Protocol("a frame has no header")) };
        Ok(*mark)
    }

    /// Takes `count` bytes that are not framed; at most [`TRANSFER_BYTES`].
    ///
    /// # Errors
    /// When the stream ends first.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&[u8], Error> {
        self.fill(count)?;
        let from = self.start;
        self.start += count;
        let taken = self.input.get(from..from + count);
        // Not `ok_or`, see `Cursor::bytes`.
        let Some(taken) = taken else { return Err(Error::Protocol("more bytes than can be held")) };
        Ok(taken)
    }

    /// Reads a whole message into memory.
    ///
    /// # Errors
    /// When the stream ends, frames are out of order, or the message is larger than [`MESSAGE_BYTES_MAX`].
    pub fn read_whole(&mut self) -> Result<&[u8], Error> {
        let length = self.take_header()?;
        if length <= TRANSFER_BYTES { self.take(length) } else { self.read_joined(length) }
    }

    fn read_joined(&mut self, mut length: usize) -> Result<&[u8], Error> {
        self.joined.clear();
        loop {
            if self.joined.len() + length > MESSAGE_BYTES_MAX {
                return Err(Error::Protocol("a message is larger than 64 MiB"));
            }
            let mut left = length;
            while left > 0 {
                self.fill(1)?;
                let available = left.min(self.end - self.start);
                let bytes = self.input.get(self.start..self.start + available).unwrap_or_default();
                self.joined.extend_from_slice(bytes);
                self.start += available;
                left -= available;
            }
            if length < FRAME_BYTES_MAX {
                return Ok(&self.joined);
            }
            length = self.take_header()?;
        }
    }

    /// Reads the next message, large ones in pieces: see [`Message`].
    ///
    /// # Errors
    /// When the stream ends or frames are out of order.
    #[inline]
    pub fn read_piecewise(&mut self) -> Result<Message<'_>, Error> {
        if self.piece_left > 0 {
            return self.next_piece();
        }
        let continues = self.piece_continues;
        let length = self.take_header()?;
        if length <= TRANSFER_BYTES && !continues {
            return self.take(length).map(Message::Whole);
        }
        self.piece_left = length;
        self.piece_continues = length == FRAME_BYTES_MAX;
        Ok(Message::Frame(length))
    }

    fn next_piece(&mut self) -> Result<Message<'_>, Error> {
        self.fill(1)?;
        let available = self.piece_left.min(self.end - self.start);
        let from = self.start;
        self.start += available;
        self.piece_left -= available;
        let ends = self.piece_left == 0 && !self.piece_continues;
        let bytes = self.input.get(from..from + available).unwrap_or_default();
        Ok(Message::Piece { bytes, ends })
    }

    #[inline]
    fn take_header(&mut self) -> Result<usize, Error> {
        self.fill(HEADER_BYTES)?;
        let Some([low, middle, high, mark]) =
            self.input.get(self.start..).and_then(|bytes| bytes.first_chunk())
        else {
            return Err(Error::Protocol("a frame has no header"));
        };
        match self.marks {
            Marks::Sequence if *mark != self.mark => {
                return Err(Error::Protocol("frames are out of order"));
            }
            Marks::Sequence => self.mark = self.mark.wrapping_add(1),
            Marks::Free => self.mark = *mark,
        }
        self.start += HEADER_BYTES;
        Ok(usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16)
    }

    /// Reads until `count` bytes stand in the buffer.
    #[inline]
    fn fill(&mut self, count: usize) -> Result<(), Error> {
        if self.end - self.start >= count { Ok(()) } else { self.read_more(count) }
    }

    #[cold]
    fn read_more(&mut self, count: usize) -> Result<(), Error> {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < count {
            let free = self.input.get_mut(self.end..).unwrap_or_default();
            if free.is_empty() {
                return Err(Error::Protocol("more bytes than can be held"));
            }
            match self.source.read(free) {
                Ok(0) => return Err(Error::Lost("it ended too early".to_owned())),
                Ok(read) => self.end += read.min(free.len()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
