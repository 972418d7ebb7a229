//! Messages in frames with checksums, which begin after the server's answer to STARTUP; before that messages stand alone.
//! Sections 2 and 3 of the specification.

use lockgate_plugin::host::Stream;

use super::checksum::{crc24, crc32};
use crate::error::Error;
use crate::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};

/// The version, with the bit of answers.
const REQUEST: u8 = 0x05;
const RESPONSE: u8 = 0x85;
const HEADER_BYTES: usize = 9;
/// Bit of a frame's header: it holds whole messages.
const SELF_CONTAINED: u32 = 1 << 17;

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Of the question that it answers.
    pub stream: i16,
    /// What is to be skipped or expected in front of the body.
    pub flags: u8,
    /// Its kind.
    pub opcode: u8,
    /// Everything else; the number of bytes when they are too many to be held.
    pub body: Result<Vec<u8>, usize>,
}

/// Messages over a byte stream.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    is_framed: bool,
    /// What frames held and no message was made of yet, from `at` on.
    received: Vec<u8>,
    at: usize,
    /// Messages that go into one frame together.
    unsent: Vec<u8>,
}

impl<S: Stream> Frames<S> {
    /// Over a fresh stream.
    pub fn new(stream: S) -> Self {
        Self { stream, is_framed: false, received: Vec::new(), at: 0, unsent: Vec::new() }
    }

    /// From now on messages stand in frames.
    pub fn begin_frames(&mut self) {
        self.is_framed = true;
    }

    /// Takes a message; `body` must be shorter than 2 GiB.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, stream: i16, opcode: u8, body: &[u8]) -> Result<(), Error> {
        let length =
            u32::try_from(body.len()).map_err(|_| Error::Protocol("a question is too long"))?;
        let mut header = [REQUEST, 0, 0, 0, opcode, 0, 0, 0, 0];
        for (into, byte) in header.iter_mut().skip(2).zip(stream.to_be_bytes()) {
            *into = byte;
        }
        for (into, byte) in header.iter_mut().skip(5).zip(length.to_be_bytes()) {
            *into = byte;
        }
        if !self.is_framed {
            self.stream.write_all(&header)?;
            self.stream.write_all(body)?;
            return Ok(());
        }
        let whole = HEADER_BYTES + body.len();
        if self.unsent.len() + whole > FRAME_BYTES_MAX {
            self.send_frame()?;
        }
        self.unsent.extend_from_slice(&header);
        self.unsent.extend_from_slice(body);
        if whole > FRAME_BYTES_MAX {
            let message = std::mem::take(&mut self.unsent);
            for piece in message.chunks(FRAME_BYTES_MAX) {
                self.write_frame(piece, 0)?;
            }
        }
        Ok(())
    }

    /// Sends what was taken.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.send_frame()?;
        Ok(self.stream.flush()?)
    }

    fn send_frame(&mut self) -> Result<(), Error> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let mut payload = std::mem::take(&mut self.unsent);
        self.write_frame(&payload, SELF_CONTAINED)?;
        payload.clear();
        self.unsent = payload;
        Ok(())
    }

    fn write_frame(&mut self, payload: &[u8], flag: u32) -> Result<(), Error> {
        let word = (payload.len() as u32 | flag).to_le_bytes();
        let header = [word[0], word[1], word[2]];
        self.stream.write_all(&header)?;
        let crc = crc24(header).to_le_bytes();
        self.stream.write_all(&[crc[0], crc[1], crc[2]])?;
        self.stream.write_all(payload)?;
        Ok(self.stream.write_all(&crc32(payload).to_le_bytes())?)
    }

    /// The next message of the server.
    ///
    /// # Errors
    /// When the connection breaks, a checksum is wrong, or a message is too large or of another version.
    pub fn receive(&mut self) -> Result<Message, Error> {
        let header = self.bytes(HEADER_BYTES)?;
        let header: [u8; HEADER_BYTES] =
            header.try_into().map_err(|_| Error::Protocol("a header is cut"))?;
        let [version, flags, high, low, opcode, length @ ..] = header;
        if version != RESPONSE {
            return Err(Error::Protocol("an answer is not of version 5"));
        }
        let length = u32::from_be_bytes(length) as usize;
        let stream = i16::from_be_bytes([high, low]);
        if length > MESSAGE_BYTES_MAX {
            self.skip(length)?;
            return Ok(Message { stream, flags, opcode, body: Err(length) });
        }
        let body = self.bytes(length)?;
        Ok(Message { stream, flags, opcode, body: Ok(body) })
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        if !self.is_framed {
            let mut bytes = vec![0; count];
            self.read_exact(&mut bytes)?;
            return Ok(bytes);
        }
        while self.received.len() - self.at < count {
            if self.at > 0 {
                self.received.drain(..self.at);
                self.at = 0;
            }
            self.receive_frame()?;
        }
        let bytes = self.received.get(self.at..self.at + count).unwrap_or_default().to_vec();
        self.at += count;
        Ok(bytes)
    }

    fn skip(&mut self, mut count: usize) -> Result<(), Error> {
        while count > 0 {
            let piece = count.min(FRAME_BYTES_MAX);
            self.bytes(piece)?;
            count -= piece;
        }
        Ok(())
    }

    fn receive_frame(&mut self) -> Result<(), Error> {
        let mut header = [0; 6];
        self.read_exact(&mut header)?;
        let [a, b, c, x, y, z] = header;
        if u32::from_le_bytes([x, y, z, 0]) != crc24([a, b, c]) {
            return Err(Error::Protocol("the header of a frame does not fit its checksum"));
        }
        let length = (u32::from_le_bytes([a, b, c, 0]) & (SELF_CONTAINED - 1)) as usize;
        let start = self.received.len();
        self.received.resize(start + length, 0);
        let mut received = std::mem::take(&mut self.received);
        let read = self.read_exact(received.get_mut(start..).unwrap_or_default());
        self.received = received;
        read?;
        let mut trailer = [0; 4];
        self.read_exact(&mut trailer)?;
        let payload = self.received.get(start..).unwrap_or_default();
        if u32::from_le_bytes(trailer) != crc32(payload) {
            return Err(Error::Protocol("a frame does not fit its checksum"));
        }
        Ok(())
    }

    /// An end in the middle means that the server went away.
    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest)? {
                0 => return Err(Error::Lost("the server closed the connection".to_owned())),
                count => filled += count,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use lockgate_plugin::native::Connection;

    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let word = (payload.len() as u32).to_le_bytes();
        let header = [word[0], word[1], word[2]];
        let crc = crc24(header).to_le_bytes();
        let trailer = crc32(payload).to_le_bytes();
        [&header[..], &crc[..3], payload, &trailer].concat()
    }

    fn played(bytes: Vec<u8>) -> Frames<Connection> {
        let mut frames = Frames::new(Connection::Played(Cursor::new(bytes)));
        frames.begin_frames();
        frames
    }

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![RESPONSE, 0, 0, 7, 8];
        bytes.extend(length.to_be_bytes());
        bytes.resize(bytes.len() + length as usize, 9);
        bytes
    }

    #[test]
    fn messages_lie_across_frames_and_beside_each_other() {
        let all = [message(300_000), message(0), message(5)].concat();
        let framed: Vec<u8> = all.chunks(100_000).flat_map(frame).collect();
        let mut frames = played(framed.clone());
        for length in [300_000, 0, 5] {
            let message = frames.receive().unwrap();
            assert_eq!((message.stream, message.body), (7, Ok(vec![9; length])));
        }
        assert!(matches!(frames.receive(), Err(Error::Lost(_))));
        for at in (0..framed.len()).step_by(997) {
            let mut damaged = framed.clone();
            damaged[at] ^= 1;
            let mut frames = played(damaged);
            assert!((0..4).any(|_| frames.receive().is_err()), "{at}");
        }
    }

    #[test]
    fn what_is_too_large_is_skipped() {
        let large = message(MESSAGE_BYTES_MAX as u32 + 1);
        let mut frames =
            played([large, message(3)].concat().chunks(FRAME_BYTES_MAX).flat_map(frame).collect());
        assert_eq!(frames.receive().unwrap().body, Err(MESSAGE_BYTES_MAX + 1));
        assert_eq!(frames.receive().unwrap().body, Ok(vec![9; 3]));
    }
}
