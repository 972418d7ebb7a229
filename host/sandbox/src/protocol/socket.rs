//! Frames over a Unix stream socket. Each side takes what the other sends as hostile: lengths are checked before anything is
//! allocated, descriptors are counted, and a stream that ends inside a frame is an error.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{DATA_BYTES_MAX, DESCRIPTORS_MAX, MESSAGE_BYTES_MAX};

/// Messages collect up to this many bytes before they are sent.
const COLLECT_BYTES_MAX: usize = 64 << 10;
/// Room for what has collected, at both ends: the last message and its data may pass [`COLLECT_BYTES_MAX`]. A smaller buffer
/// would be copied as it grows here, and take two calls to fill there.
const BUFFER_BYTES: usize = COLLECT_BYTES_MAX + 2 * COPY_BYTES_MAX;
/// Data behind a message is copied to the collected messages up to this length; longer data goes out from where it lies.
const COPY_BYTES_MAX: usize = 8 << 10;
/// What is asked of the kernel for each direction, in bytes.
const SOCKET_BYTES: usize = 1 << 20;
/// Bytes of the length before each message.
const LENGTH_BYTES: usize = 4;
/// Descriptors that may have come without a message that takes them.
const WAITING_DESCRIPTORS_MAX: usize = 2 * DESCRIPTORS_MAX;

/// What went wrong between host and worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The system refused.
    #[error("could not {action} the socket: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A message is longer than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {0} bytes is longer than the {MESSAGE_BYTES_MAX} allowed")]
    TooLong(usize),
    /// A message does not parse, or bytes are left behind it.
    #[error("a message does not parse: {0}")]
    Malformed(postcard::Error),
    /// The stream ended inside a message or inside its data.
    #[error("the stream ended inside a message")]
    Truncated,
    /// More descriptors came, or were to be sent, than one message may have.
    #[error("too many descriptors")]
    TooManyDescriptors,
    /// A message came without a descriptor that it needs.
    #[error("a descriptor is missing")]
    MissingDescriptor,
    /// The message is not one that may come now.
    #[error("unexpected message: {0}")]
    Unexpected(&'static str),
}

/// One end of a socket that carries frames. All calls block.
#[derive(Debug)]
pub struct FrameSocket {
    socket: UnixStream,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// The part of `incoming` that was received and not yet taken.
    begin: usize,
    end: usize,
    /// Raw bytes behind the last message that nobody has read.
    unread: u64,
    descriptors: VecDeque<OwnedFd>,
}

impl FrameSocket {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// When the socket cannot be made blocking.
    pub fn new(socket: UnixStream) -> Result<Self, ProtocolError> {
        socket
            .set_nonblocking(false)
            .map_err(|source| ProtocolError::Io { action: "set up", source })?;
        // Larger buffers save switches between the processes; the kernel's default works too, so a refusal is no error.
        let _ = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BYTES);
        let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BYTES);
        Ok(Self {
            socket,
            outgoing: Vec::with_capacity(BUFFER_BYTES),
            incoming: vec![0; BUFFER_BYTES],
            begin: 0,
            end: 0,
            unread: 0,
            descriptors: VecDeque::new(),
        })
    }

    /// Sends a message. Without descriptors it may wait until more have come together, at the latest until the next
    /// [`FrameSocket::receive`] or [`FrameSocket::flush`].
    ///
    /// # Errors
    /// When the message is too long (then nothing was sent and the socket stays usable) or the other end is gone.
    pub fn send(
        &mut self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ProtocolError> {
        if descriptors.len() > DESCRIPTORS_MAX {
            return Err(ProtocolError::TooManyDescriptors);
        }
        self.collect(message)?;
        if descriptors.is_empty() && self.outgoing.len() < COLLECT_BYTES_MAX {
            return Ok(());
        }
        self.transmit(&[], descriptors)
    }

    /// Sends a message and the raw bytes behind it.
    ///
    /// # Errors
    /// When the message or the data is too long (then nothing was sent), or the other end is gone.
    pub fn send_data(
        &mut self,
        message: &impl Serialize,
        data: &[u8],
    ) -> Result<(), ProtocolError> {
        if u32::try_from(data.len()).is_ok_and(|length| length <= DATA_BYTES_MAX) {
            self.collect(message)?;
        } else {
            return Err(ProtocolError::TooLong(data.len()));
        }
        if data.len() > COPY_BYTES_MAX {
            return self.transmit(data, &[]);
        }
        self.outgoing.extend_from_slice(data);
        if self.outgoing.len() >= COLLECT_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Sends what has collected.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn flush(&mut self) -> Result<(), ProtocolError> {
        if self.outgoing.is_empty() { Ok(()) } else { self.transmit(&[], &[]) }
    }

    /// The next message; none when the other end has closed the stream between two messages. Sends what has collected
    /// before it waits, and passes over raw bytes that nobody read.
    ///
    /// # Errors
    /// When the message is too long, does not parse, or the stream ends inside it.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ProtocolError> {
        self.flush()?;
        self.skip_unread()?;
        if !self.fill(LENGTH_BYTES)? {
            return if self.begin == self.end { Ok(None) } else { Err(ProtocolError::Truncated) };
        }
        let mut prefix = [0; LENGTH_BYTES];
        prefix.copy_from_slice(&self.incoming[self.begin..self.begin + LENGTH_BYTES]);
        let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
        if length > MESSAGE_BYTES_MAX {
            return Err(ProtocolError::TooLong(length));
        }
        self.begin += LENGTH_BYTES;
        if !self.fill(length)? {
            return Err(ProtocolError::Truncated);
        }
        let (message, rest) =
            postcard::take_from_bytes(&self.incoming[self.begin..self.begin + length])
                .map_err(ProtocolError::Malformed)?;
        if !rest.is_empty() {
            return Err(ProtocolError::Malformed(postcard::Error::DeserializeBadEncoding));
        }
        self.begin += length;
        Ok(Some(message))
    }

    /// The next descriptor in the order in which they were sent; to be called for each one that the last message names.
    ///
    /// # Errors
    /// When none has come.
    pub fn take_descriptor(&mut self) -> Result<OwnedFd, ProtocolError> {
        self.descriptors.pop_front().ok_or(ProtocolError::MissingDescriptor)
    }

    /// The `length` raw bytes behind the last message: reads end exactly there, and the end of the stream before that is an
    /// error. What is not read is passed over by the next [`FrameSocket::receive`].
    pub fn raw(&mut self, length: u64) -> Raw<'_> {
        self.unread = length;
        Raw { socket: self }
    }

    /// Serialises behind what has collected; on failure nothing has changed.
    fn collect(&mut self, message: &impl Serialize) -> Result<(), ProtocolError> {
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(&[0; LENGTH_BYTES]);
        let result = postcard::serialize_with_flavor(message, Collector(&mut self.outgoing));
        let length = self.outgoing.len() - start - LENGTH_BYTES;
        let error = match (result, u32::try_from(length)) {
            (Ok(()), Ok(prefix)) if length <= MESSAGE_BYTES_MAX => {
                self.outgoing[start..start + LENGTH_BYTES].copy_from_slice(&prefix.to_le_bytes());
                return Ok(());
            }
            (Err(error), _) => ProtocolError::Malformed(error),
            _ => ProtocolError::TooLong(length),
        };
        self.outgoing.truncate(start);
        Err(error)
    }

    /// Sends what has collected, then `data`, with `descriptors` beside the first byte.
    fn transmit(
        &mut self,
        data: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ProtocolError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ProtocolError::TooManyDescriptors);
        }
        let mut parts = [IoSlice::new(&self.outgoing), IoSlice::new(data)];
        let mut parts = parts.as_mut_slice();
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match sendmsg(&self.socket, parts, &mut control, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    control.clear();
                    IoSlice::advance_slices(&mut parts, sent);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    return Err(ProtocolError::Io { action: "write to", source: errno.into() });
                }
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(BUFFER_BYTES);
        Ok(())
    }

    /// Receives until `length` bytes wait; false when the stream ends before.
    fn fill(&mut self, length: usize) -> Result<bool, ProtocolError> {
        if self.end - self.begin >= length {
            return Ok(true);
        }
        self.incoming.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.incoming.len() < length {
            self.incoming.resize(length, 0);
        } else if length <= BUFFER_BYTES && self.end <= BUFFER_BYTES {
            self.incoming.truncate(BUFFER_BYTES);
            self.incoming.shrink_to(BUFFER_BYTES);
        }
        while self.end < length {
            let room = self.incoming.get_mut(self.end..).unwrap_or_default();
            match receive_bytes(&self.socket, room, &mut self.descriptors)? {
                0 => return Ok(false),
                received => self.end += received,
            }
        }
        Ok(true)
    }

    fn skip_unread(&mut self) -> Result<(), ProtocolError> {
        if self.unread == 0 {
            return Ok(());
        }
        let length = self.unread;
        let skipped = io::copy(&mut self.raw(length), &mut io::sink())
            .map_err(|source| ProtocolError::Io { action: "read", source })?;
        if skipped == length { Ok(()) } else { Err(ProtocolError::Truncated) }
    }
}

impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Reads the raw bytes behind a message; see [`FrameSocket::raw`].
#[derive(Debug)]
pub struct Raw<'a> {
    socket: &'a mut FrameSocket,
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = &mut *self.socket;
        let room = usize::try_from(socket.unread).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..room];
        if buffer.is_empty() {
            return Ok(0);
        }
        if socket.begin == socket.end && buffer.len() <= COPY_BYTES_MAX {
            // The next messages come with the few bytes that are wanted, instead of by a call of their own.
            socket.fill(1).map_err(io::Error::other)?;
        }
        let waiting = &socket.incoming[socket.begin..socket.end];
        let received = if waiting.is_empty() {
            receive_bytes(&socket.socket, buffer, &mut socket.descriptors)
                .map_err(io::Error::other)?
        } else {
            let length = waiting.len().min(buffer.len());
            buffer[..length].copy_from_slice(&waiting[..length]);
            socket.begin += length;
            length
        };
        if received == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ProtocolError::Truncated));
        }
        socket.unread -= received as u64;
        Ok(received)
    }
}

fn receive_bytes(
    socket: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> Result<usize, ProtocolError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let parts = &mut [IoSliceMut::new(buffer)];
        match recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            // A peer that is killed with unread data in its buffer resets the connection; for us that is its end.
            Err(rustix::io::Errno::CONNRESET) => return Ok(0),
            Err(errno) => {
                return Err(ProtocolError::Io { action: "read", source: errno.into() });
            }
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > WAITING_DESCRIPTORS_MAX {
        return Err(ProtocolError::TooManyDescriptors);
    }
    Ok(received.bytes)
}

/// Lets postcard append to a buffer in slices instead of single bytes.
struct Collector<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Collector<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
