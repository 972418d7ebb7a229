//! Messages to and from the server, one command at a time. Source: <https://mariadb.com/kb/en/0-packet/>.

use lockgate_plugin::host::Stream;

use crate::error::Error;
use crate::limits::{FRAME_BYTES_MAX, TRANSFER_BYTES};
use crate::wire::frames::{Frames, Marks, Message};

/// Messages over a byte stream.
#[derive(Debug)]
pub struct Packets<S> {
    frames: Frames<S>,
    output: Vec<u8>,
}

impl<S: Stream> Packets<S> {
    /// Over a fresh stream.
    pub fn new(stream: S) -> Self {
        Self { frames: Frames::new(stream, Marks::Sequence), output: Vec::new() }
    }

    /// Whether the bytes are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.frames.source().is_encrypted()
    }

    /// Turns the stream into TLS.
    ///
    /// # Errors
    /// When bytes arrived that the server must not have sent yet (somebody in between may have), or TLS fails.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        if self.frames.has_unread() {
            return Err(Error::Protocol("bytes arrived between the request for TLS and its start"));
        }
        Ok(self.frames.source_mut().start_tls()?)
    }

    /// Starts a new command: the sequence begins again.
    pub fn begin_command(&mut self) {
        self.frames.set_mark(0);
    }

    /// Sends one message, cut into frames.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let mut rest = message;
        self.output.clear();
        loop {
            let (front, behind) = rest.split_at(rest.len().min(FRAME_BYTES_MAX));
            let length = u32::try_from(front.len()).unwrap_or_default().to_le_bytes();
            let sequence = self.frames.mark();
            self.frames.set_mark(sequence.wrapping_add(1));
            self.output.extend(length.iter().take(3));
            self.output.push(sequence);
            self.output.extend_from_slice(front);
            if self.output.len() >= TRANSFER_BYTES {
                self.frames.source_mut().write_all(&self.output)?;
                self.output.clear();
            }
            rest = behind;
            // A full frame needs a following one, even an empty one.
            if front.len() < FRAME_BYTES_MAX {
                break;
            }
        }
        let stream = self.frames.source_mut();
        stream.write_all(&self.output)?;
        Ok(stream.flush()?)
    }

    /// Receives a whole message into memory.
    ///
    /// # Errors
    /// When the connection breaks, frames are out of order, or the message is too large.
    pub fn receive(&mut self) -> Result<&[u8], Error> {
        self.frames.read_whole()
    }

    /// Receives the next message of a result without holding large ones.
    ///
    /// # Errors
    /// When the connection breaks or frames are out of order.
    #[inline]
    pub fn receive_piecewise(&mut self) -> Result<Message<'_>, Error> {
        self.frames.read_piecewise()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, BufRead, Read, Write};

    use super::*;

    /// Gives back what was written, so that sender and receiver can be tested against each other.
    #[derive(Debug)]
    struct Echo(VecDeque<u8>);

    impl Read for Echo {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }
    impl BufRead for Echo {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.0.fill_buf()
        }
        fn consume(&mut self, count: usize) {
            self.0.consume(count);
        }
    }
    impl Write for Echo {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Stream for Echo {
        fn start_tls(&mut self) -> lockgate_plugin::Result<()> {
            Ok(())
        }
        fn is_encrypted(&self) -> bool {
            false
        }
    }

    fn sent(message: &[u8]) -> Packets<Echo> {
        let mut packets = Packets::new(Echo(VecDeque::new()));
        packets.send(message).unwrap();
        packets.begin_command();
        packets
    }

    fn in_pieces(packets: &mut Packets<Echo>) -> Vec<u8> {
        let mut seen = Vec::new();
        loop {
            match packets.receive_piecewise().unwrap() {
                Message::Whole(bytes) => {
                    seen.extend_from_slice(bytes);
                    return seen;
                }
                Message::Frame(0) => return seen,
                Message::Frame(_) => {}
                Message::Piece { bytes, ends } => {
                    seen.extend_from_slice(bytes);
                    if ends {
                        return seen;
                    }
                }
            }
        }
    }

    #[test]
    fn messages_of_every_size_come_back_whole_and_in_pieces() {
        let sizes = [0, 1, TRANSFER_BYTES, TRANSFER_BYTES + 1, FRAME_BYTES_MAX - 1];
        let sizes = sizes.into_iter().chain([FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1]);
        for size in sizes {
            let message: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            assert!(sent(&message).receive().unwrap() == message, "{size} whole");
            assert!(in_pieces(&mut sent(&message)) == message, "{size} in pieces");
        }
    }

    #[test]
    fn frames_out_of_order_and_cut_off_are_errors() {
        for bytes in [&[1, 0, 0, 9, 0][..], &[1, 0, 0], &[5, 0, 0, 0, 1, 2], &[]] {
            assert!(Packets::new(Echo(bytes.to_vec().into())).receive().is_err());
            assert!(Packets::new(Echo(bytes.to_vec().into())).receive_piecewise().is_err());
        }
    }
}
