//! Messages: a byte that names the kind, a length that counts itself, and the body. Source:
//! <https://www.postgresql.org/docs/15/protocol-message-formats.html>.

use std::io::ErrorKind;

use lockgate_plugin::host::Stream;
use lockgate_plugin::printable;

use crate::error::{Error, ServerError};
use crate::limits::{MESSAGE_BYTES_MAX, TRANSFER_BYTES};

/// Kind and length.
const HEADER_BYTES: usize = 5;
/// What the length counts of itself.
const LENGTH_BYTES: usize = 4;
const BUFFER_BYTES: usize = TRANSFER_BYTES + HEADER_BYTES;

/// Messages over a byte stream.
#[derive(Debug)]
pub struct Messages<S> {
    stream: S,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in `input` the body of the last message is; in `large` when it did not fit.
    body: std::ops::Range<usize>,
    large: Vec<u8>,
    output: Vec<u8>,
}

impl<S: Stream> Messages<S> {
    /// Over a fresh stream.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            body: 0..0,
            large: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Asks for TLS and starts it.
    ///
    /// # Errors
    /// When the server refuses, sent more than its answer (somebody in between may have), or TLS fails.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        // SSLRequest: a length and a number that is no version of the protocol.
        self.output.extend_from_slice(&8_u32.to_be_bytes());
        self.output.extend_from_slice(&80_877_103_u32.to_be_bytes());
        self.flush()?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)?;
        match answer {
            [b'S'] => Ok(self.stream.start_tls()?),
            [b'N'] => Err(lockgate_plugin::Error::unsupported(
                "the server offers no TLS; set ssl = on there, or the endpoint's encryption to off",
            )
            .into()),
            _ => Err(Error::Protocol("another answer than S or N to the request for TLS")),
        }
    }

    /// Receives a message and returns its kind; [`Messages::body`] is its content. Messages that may come at any time are
    /// dealt with here, and errors become errors.
    ///
    /// # Errors
    /// When the server reports an error, the connection breaks or the message is too large.
    pub fn receive(&mut self) -> Result<u8, Error> {
        loop {
            match self.receive_any()? {
                b'E' => return Err(Error::Server(self.report().1)),
                b'N' => {
                    let (severity, report) = self.report();
                    if severity == "WARNING" {
                        log::warn!("the server warns: {report}");
                    }
                }
                b'A' => {}
                kind => return Ok(kind),
            }
        }
    }

    /// The content of the last message.
    pub fn body(&self) -> &[u8] {
        if self.body.is_empty() {
            return &self.large;
        }
        self.input.get(self.body.clone()).unwrap_or_default()
    }

    /// Hands the content of all messages `CopyData` to `take`, however large, up to the next message of another kind, which
    /// is then received as by [`Messages::receive`].
    ///
    /// # Errors
    /// Those of the server, the connection, and `take`.
    pub fn receive_rows(
        &mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u8, Error> {
        loop {
            self.fill(HEADER_BYTES)?;
            if self.input.get(self.start) != Some(&b'd') {
                match self.receive()? {
                    b'S' => continue,
                    kind => return Ok(kind),
                }
            }
            let mut left = self.header()?.1;
            while left > 0 {
                if self.start == self.end {
                    self.fill(1)?;
                }
                let count = left.min(self.end - self.start);
                let piece = self.input.get(self.start..self.start + count);
                take(piece.unwrap_or_default())?;
                self.start += count;
                left -= count;
            }
        }
    }

    fn receive_any(&mut self) -> Result<u8, Error> {
        let (kind, length) = self.header()?;
        self.large.clear();
        self.body = 0..0;
        if length <= TRANSFER_BYTES {
            self.fill(length)?;
            self.body = self.start..self.start + length;
            self.start += length;
            return Ok(kind);
        }
        if length > MESSAGE_BYTES_MAX {
            return Err(Error::Protocol("a message is larger than 64 MiB"));
        }
        // Grows with what really arrives.
        while self.large.len() < length {
            self.fill(1)?;
            let count = (length - self.large.len()).min(self.end - self.start);
            let piece = self.input.get(self.start..self.start + count).unwrap_or_default();
            self.large.extend_from_slice(piece);
            self.start += count;
        }
        Ok(kind)
    }

    fn header(&mut self) -> Result<(u8, usize), Error> {
        self.fill(HEADER_BYTES)?;
        let header = self.input.get(self.start..self.start + HEADER_BYTES).unwrap_or_default();
        let [kind, length @ ..] = header else {
            return Err(Error::Protocol("a message has no header"));
        };
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let length = length.checked_sub(LENGTH_BYTES);
        let length =
            length.ok_or(Error::Protocol("the length of a message does not count itself"))?;
        let kind = *kind;
        self.start += HEADER_BYTES;
        Ok((kind, length))
    }

    /// Waits until `count` bytes are there; at most [`BUFFER_BYTES`].
    fn fill(&mut self, count: usize) -> Result<(), Error> {
        if self.end - self.start >= count {
            return Ok(());
        }
        if self.start + count > self.input.len() || self.start == self.end {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < count {
            let space = self.input.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(space) {
                Ok(0) => return Err(Error::Lost("the server closed it".to_owned())),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Severity and content of an `ErrorResponse` or `NoticeResponse`:
    /// <https://www.postgresql.org/docs/15/protocol-error-fields.html>.
    fn report(&self) -> (String, ServerError) {
        let (mut severity, mut code, mut message) = (String::new(), String::new(), String::new());
        for field in self.body().split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            match kind {
                b'V' => severity = printable(text),
                b'C' => code = printable(text),
                b'M' => message = printable(text),
                b'D' | b'H' => message = format!("{message} ({})", printable(text)),
                _ => {}
            }
        }
        (severity, ServerError { code, message })
    }

    /// Writes a message; it is sent by [`Messages::flush`].
    ///
    /// # Errors
    /// When the message is too large or the connection breaks.
    pub fn send(&mut self, kind: u8, parts: &[&[u8]]) -> Result<(), Error> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length + LENGTH_BYTES).ok().filter(|length| *length < 1 << 30);
        let length = length.ok_or(Error::Protocol("a message to the server is too large"))?;
        if kind != 0 {
            self.output.push(kind);
        }
        self.output.extend_from_slice(&length.to_be_bytes());
        parts.iter().for_each(|part| self.output.extend_from_slice(part));
        if self.output.len() >= TRANSFER_BYTES {
            self.stream.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }

    /// Sends what was written.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(self.stream.flush()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{self, BufRead, Read, Write};

    use super::*;

    /// Says what it was given.
    #[derive(Debug)]
    pub(crate) struct Said(pub(crate) io::Cursor<Vec<u8>>);

    impl Read for Said {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }
    impl BufRead for Said {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.0.fill_buf()
        }
        fn consume(&mut self, count: usize) {
            self.0.consume(count);
        }
    }
    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Stream for Said {
        fn start_tls(&mut self) -> lockgate_plugin::Result<()> {
            Ok(())
        }
        fn is_encrypted(&self) -> bool {
            false
        }
    }

    pub(crate) fn said(bytes: Vec<u8>) -> Messages<Said> {
        Messages::new(Said(io::Cursor::new(bytes)))
    }

    pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    #[test]
    fn messages_of_every_size_come_back() {
        for size in [0, 1, TRANSFER_BYTES - 1, TRANSFER_BYTES, TRANSFER_BYTES + 1, 3 << 20] {
            let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            let mut messages = said([message(b'Z', &body), message(b'C', b"x")].concat());
            assert_eq!(messages.receive().unwrap(), b'Z');
            assert!(messages.body() == body, "{size}");
            assert_eq!((messages.receive().unwrap(), messages.body()), (b'C', &b"x"[..]));
            let rows = [message(b'd', &body), message(b'd', b"end"), message(b'c', b"")].concat();
            let mut taken = Vec::new();
            let mut messages = said(rows);
            let kind = messages.receive_rows(&mut |piece| {
                taken.extend_from_slice(piece);
                Ok(())
            });
            assert_eq!(kind.unwrap(), b'c');
            assert!(taken == [&body[..], b"end"].concat(), "{size}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in [&b""[..], b"Z", b"Z\0\0\0\x03", b"Z\0\0\0\x09ab", b"Z\x7f\xff\xff\xff"] {
            assert!(said(bytes.to_vec()).receive().is_err(), "{bytes:?}");
            assert!(said(bytes.to_vec()).receive_rows(&mut |_| Ok(())).is_err());
        }
    }

    #[test]
    fn an_error_report_is_read_and_a_notice_is_passed_over() {
        let notice = message(b'N', b"SNOTICE\0VNOTICE\0Mhello\0\0");
        let report = message(b'E', b"SFEHLER\0VERROR\0C42P01\0Mno \x1b[1m table\0Hlook\0\0");
        let error = said([notice, report].concat()).receive().unwrap_err();
        assert_eq!(error.server().unwrap().code, "42P01");
        assert_eq!(error.to_string(), "no  [1m table (look) (SQLSTATE 42P01)");
    }
}
