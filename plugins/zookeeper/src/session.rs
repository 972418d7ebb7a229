//! A session: requests and answers in order, events in between.
//! <https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html#ch_zkSessions>

use std::io::{BufRead, Read, Write};

use lockgate_plugin::Error as Told;

use crate::error::{Code, Error, ServerError};
use crate::jute::{Reader, Writer};
use crate::limits::{PING_BYTES, REPLY_BYTES_MAX};
use crate::message::{Acl, Event, Stat, of_path, op};

/// A byte stream to the server.
pub trait Stream: BufRead + Write {}

impl<S: BufRead + Write> Stream for S {}

/// Numbers of requests that are not in the order of the others.
const XID_EVENT: i32 = -1;
const XID_PING: i32 = -2;
const XID_AUTH: i32 = -4;

/// One session with one server. It is closed when it is dropped, as far as the connection allows.
#[derive(Debug)]
pub struct Session<S: Stream> {
    stream: S,
    next: i32,
    /// Bytes that came since something was sent.
    quiet: usize,
    is_usable: bool,
    /// Whether it has logged in with a name.
    has_account: bool,
}

/// What came from the server.
#[derive(Debug)]
pub enum Incoming {
    /// The answer to the oldest request.
    Reply(Reply),
    /// Something happened to a watched node.
    Event(Event),
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The request's number.
    pub xid: i32,
    /// The last transaction that the server had applied when it answered.
    pub zxid: i64,
    /// Whether it worked.
    pub code: Code,
    frame: Vec<u8>,
}

/// `ReplyHeader`.
const HEADER_BYTES: usize = 16;

impl Reply {
    /// The content; an error of the server becomes one that says what was being done.
    ///
    /// # Errors
    /// The server's.
    pub fn body(&self, doing: impl FnOnce() -> String) -> Result<Reader<'_>, Error> {
        match self.code {
            Code::OK => Ok(Reader::new(self.frame.get(HEADER_BYTES..).unwrap_or_default())),
            code => Err(Error::Server(ServerError::new(code, doing()))),
        }
    }

    /// The content as bytes, to be kept.
    pub fn into_body(mut self) -> Vec<u8> {
        self.frame.drain(..HEADER_BYTES.min(self.frame.len()));
        self.frame
    }
}

/// Name and password for the digest scheme.
#[derive(Clone)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The password.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Account({})", self.name)
    }
}

impl<S: Stream> Session<S> {
    /// Opens a session that the server forgets `timeout` milliseconds after the last word of the client.
    ///
    /// # Errors
    /// When the server does not answer in the protocol, or refuses the account.
    pub fn open(stream: S, timeout: i32, account: Option<&Account>) -> Result<Self, Error> {
        let mut session =
            Self { stream, next: 1, quiet: 0, is_usable: false, has_account: account.is_some() };
        let mut request = Writer::default();
        request.int(0).long(0).int(timeout).long(0).buffer(Some(&[0; 16])).boolean(false);
        session.write_frame(&request.0)?;
        let answer = session.read_frame().map_err(|error| match error {
            Error::Lost(_) => {
                Error::Lost("the server closed it before there was a session".to_owned())
            }
            other => other,
        })?;
        let mut answer = Reader::new(&answer);
        let _version = answer.int()?;
        let (granted, id) = (answer.int()?, answer.long()?);
        let _password = answer.buffer()?;
        if granted <= 0 || id == 0 {
            return Err(Told::unreachable("the server refuses a session").into());
        }
        session.is_usable = true;
        if let Some(account) = account {
            session.log_in(account)?;
        }
        Ok(session)
    }

    fn log_in(&mut self, account: &Account) -> Result<(), Error> {
        let secret = [account.name.as_bytes(), b":", &account.secret].concat();
        let mut request = Writer::default();
        request.int(0).text("digest").buffer(Some(&secret));
        self.send_as(XID_AUTH, op::AUTH, &request)?;
        let reply = self.reply()?;
        reply.body(|| format!("log in as {}", account.name)).map(drop)
    }

    /// Whether it has logged in with a name.
    pub fn has_account(&self) -> bool {
        self.has_account
    }

    /// Sends a request. Its answer comes after the answers to all that were sent before.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, operation: i32, body: &Writer) -> Result<i32, Error> {
        let xid = self.next;
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.send_as(xid, operation, body)?;
        Ok(xid)
    }

    fn send_as(&mut self, xid: i32, operation: i32, body: &Writer) -> Result<(), Error> {
        let mut header = Writer::default();
        let length = 8 + body.0.len();
        let length = i32::try_from(length).map_err(|_| Told::other("a request is too large"))?;
        header.int(length).int(xid).int(operation);
        self.quiet = 0;
        let sent = self.stream.write_all(&header.0).and_then(|()| self.stream.write_all(&body.0));
        sent.map_err(|error| self.lost(error.into()))
    }

    fn write_frame(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut length = Writer::default();
        length.buffer(Some(body));
        self.stream.write_all(&length.0)?;
        Ok(self.stream.flush()?)
    }

    /// The next message of the server, without those that only show that it is there.
    ///
    /// # Errors
    /// When the connection is gone or the message is broken.
    pub fn receive(&mut self) -> Result<Incoming, Error> {
        loop {
            let frame = self.read_frame().map_err(|error| self.lost(error))?;
            let mut reader = Reader::new(&frame);
            let (xid, zxid, code) = (reader.int()?, reader.long()?, Code(reader.int()?));
            match xid {
                XID_EVENT => return Ok(Incoming::Event(Event::read(&mut reader)?)),
                XID_PING => {}
                _ => return Ok(Incoming::Reply(Reply { xid, zxid, code, frame })),
            }
        }
    }

    /// The next answer; events are passed over.
    fn reply(&mut self) -> Result<Reply, Error> {
        loop {
            if let Incoming::Reply(reply) = self.receive()? {
                return Ok(reply);
            }
        }
    }

    /// Asks and waits for the answer. Nothing else may be under way.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn ask(&mut self, operation: i32, body: &Writer) -> Result<Reply, Error> {
        let xid = self.send(operation, body)?;
        let reply = self.reply()?;
        if reply.xid == xid {
            Ok(reply)
        } else {
            Err(Error::Protocol("an answer to another request"))
        }
    }

    /// What is known about a node; none when it is not there.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn stat(&mut self, path: &str) -> Result<Option<Stat>, Error> {
        let reply = self.ask(op::EXISTS, &of_path(path))?;
        if reply.code == Code::NO_NODE {
            return Ok(None);
        }
        let mut body = reply.body(|| format!("look at {path}"))?;
        Stat::read(&mut body).map(Some)
    }

    /// The ACL of a node.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn acl(&mut self, path: &str) -> Result<Vec<Acl>, Error> {
        let mut request = Writer::default();
        request.text(path);
        let reply = self.ask(op::GET_ACL, &request)?;
        Acl::read(&mut reply.body(|| format!("read the ACL of {path}"))?)
    }

    /// Waits until this server has caught up with the ensemble's leader.
    ///
    /// # Errors
    /// When there is no leader.
    pub fn sync(&mut self) -> Result<(), Error> {
        let mut request = Writer::default();
        request.text("/");
        self.ask(op::SYNC, &request)?.body(|| "catch up with the leader".to_owned()).map(drop)
    }

    /// Whether the session may do everything. Servers before 3.7 do not tell.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn is_super(&mut self) -> Result<bool, Error> {
        let reply = self.ask(op::WHO_AM_I, &Writer::default())?;
        if reply.code != Code::OK {
            return Ok(false);
        }
        let mut body = reply.body(String::new)?;
        for _ in 0..body.count(8)? {
            let (scheme, _user) = (body.text()?, body.text()?);
            if scheme == "super" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends the session, so that the server forgets it at once.
    pub fn close(mut self) {
        self.say_goodbye();
    }

    fn say_goodbye(&mut self) {
        if !std::mem::replace(&mut self.is_usable, false) {
            return;
        }
        // The server ends a session that could not be closed by itself, after its timeout.
        let closing = self.send(op::CLOSE, &Writer::default());
        if closing.is_ok() && self.stream.flush().is_ok() {
            // It closes the connection once the session is gone.
            while self.read_frame().is_ok() {}
        }
    }

    fn lost(&mut self, error: Error) -> Error {
        self.is_usable = false;
        error
    }

    fn read_frame(&mut self) -> Result<Vec<u8>, Error> {
        let mut length = [0; 4];
        self.read_all(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length));
        let length = length.map_err(|_| Error::Protocol("a length is negative"))?;
        if length > REPLY_BYTES_MAX {
            return Err(Told::unsupported(format!(
                "an answer of the server has {length} bytes, and this plugin takes {REPLY_BYTES_MAX}"
            ))
            .into());
        }
        // Grows with what really comes.
        let mut frame = Vec::new();
        while frame.len() < length {
            let before = frame.len();
            let piece = (length - before).min(PING_BYTES);
            (&mut self.stream).take(piece as u64).read_to_end(&mut frame)?;
            let count = frame.len() - before;
            if count < piece {
                return Err(closed());
            }
            self.listen_on(count)?;
        }
        Ok(frame)
    }

    /// A client that only listens, because much is coming or the line is slow, would be taken for dead.
    fn listen_on(&mut self, count: usize) -> Result<(), Error> {
        self.quiet += count;
        if self.quiet >= PING_BYTES && self.is_usable {
            self.send_as(XID_PING, op::PING, &Writer::default())?;
            self.stream.flush()?;
        }
        Ok(())
    }

    fn read_all(&mut self, mut into: &mut [u8]) -> Result<(), Error> {
        while !into.is_empty() {
            let count = self.stream.read(into)?;
            if count == 0 {
                return Err(closed());
            }
            into = into.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

fn closed() -> Error {
    Error::Lost("the server closed it".to_owned())
}

impl<S: Stream> Drop for Session<S> {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufReader, Cursor};

    use super::*;

    /// Says what was recorded and takes anything.
    struct Tape(BufReader<Cursor<Vec<u8>>>);

    impl Read for Tape {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl BufRead for Tape {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.0.fill_buf()
        }
        fn consume(&mut self, amount: usize) {
            self.0.consume(amount);
        }
    }

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn hello() -> Vec<u8> {
        let mut body = Writer::default();
        body.int(0).int(4000).long(77).buffer(Some(&[0; 16])).boolean(false);
        let mut frame = Writer::default();
        frame.buffer(Some(&body.0));
        frame.0
    }

    fn open(more: &[u8]) -> Result<Session<Tape>, Error> {
        let tape = [hello().as_slice(), more].concat();
        Session::open(Tape(BufReader::new(Cursor::new(tape))), 4000, None)
    }

    #[test]
    fn a_server_that_goes_away_or_lies_is_an_error() {
        let mut session = open(&[]).unwrap();
        assert!(matches!(session.stat("/"), Err(Error::Lost(_))));
        for length in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0, 0, 0], [0, 0, 0, 9], [0, 0, 0, 3]] {
            let more = [length.as_slice(), b"abc"].concat();
            assert!(open(&more).unwrap().stat("/").is_err(), "{length:?}");
        }
        assert!(Session::open(Tape(BufReader::new(Cursor::default())), 1, None).is_err());
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        let mut body = Writer::default();
        body.int(5).long(1).int(0);
        let mut frame = Writer::default();
        frame.buffer(Some(&body.0));
        assert!(matches!(open(&frame.0).unwrap().sync(), Err(Error::Protocol(_))));
    }
}
