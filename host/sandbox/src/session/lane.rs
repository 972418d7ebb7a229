//! One instance's socket: makes a call, serves the worker until the call returns, and says in plain words why it did not.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use lockgate_trust::Granted;
use lockgate_types::{Attributes, Failure, Name};

use super::entries::{Entries, Flow, Violation};
use super::http::Exchanges;
use super::net::{Connected, Connections, Net};
use super::scheme::{Challenge, reveals};
use super::shared::Shared;
use super::shown::{into_shown, shown};
use super::watchdog::Watched;
use crate::error::{Error, ErrorKind, Place};
use crate::limits::{
    DATA_BYTES_MAX, DESCRIPTORS_MAX, LOG_BYTES_MAX, LOG_TEXT_BYTES_MAX, REFUSALS_LOGGED_MAX,
    START_TIMEOUT,
};
use crate::protocol::{
    Answer, Call, FrameSocket, FromWorker, Level, ProtocolError, Question, ToWorker, Value,
};

/// Key and value of a log line's fields, at most.
const LOG_FIELDS_MAX: usize = 32;

/// A call's wall-clock limit: its name in the configuration, and milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub name: &'static str,
    pub milliseconds: u64,
}

/// The host's end of one instance.
#[derive(Debug)]
pub struct Lane {
    socket: FrameSocket,
    shared: Arc<Shared>,
    label: String,
    connections: Connections,
    exchanges: Exchanges,
    last_writer: u32,
    /// Whether the call that is served cleans up.
    is_cleanup: bool,
    has_ended: bool,
}

/// Why serving a call stopped early.
enum Break {
    /// The worker is gone.
    Lost,
    /// The worker broke the protocol.
    Violation(String),
    /// The plugin goes on although its entries failed long ago.
    Ignored,
}

impl From<ProtocolError> for Break {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Io { .. } | ProtocolError::Truncated => Self::Lost,
            other => Self::Violation(other.to_string()),
        }
    }
}

impl From<Violation> for Break {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation.to_owned())
    }
}

impl Lane {
    /// Brings up an instance and waits until it is ready.
    pub fn open(shared: Arc<Shared>, label: &str) -> Result<Self, Error> {
        let (ours, theirs) =
            UnixStream::pair().map_err(|error| Error::io("make a socket", error))?;
        let mut lane = Self::new(Arc::clone(&shared), label, ours)?;
        let place = Place::Instance(label.to_owned());
        let watched = shared.watchdog.watch(START_TIMEOUT);
        let milliseconds = u64::try_from(START_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let limit = Limit { name: "instance start", milliseconds };
        let told = shared.open_lane(theirs.as_fd());
        // Only the worker holds the other end now, so that its death is the end of the stream.
        drop(theirs);
        let broken = match told.and_then(|()| lane.socket.receive()) {
            Ok(Some(FromWorker::Ready)) => return Ok(lane),
            Ok(Some(FromWorker::Returned(Err(stop)))) => {
                return Err(Error::stop(stop, shared.limits.busy_ms).at(&shared.name, &place));
            }
            Ok(Some(_)) => Break::from("an instance spoke before it was ready"),
            Ok(None) => Break::Lost,
            Err(error) => error.into(),
        };
        Err(lane.fail(&place, limit, &watched, broken))
    }

    /// A lane whose instance is already there.
    pub fn new(shared: Arc<Shared>, label: &str, socket: UnixStream) -> Result<Self, Error> {
        Ok(Self {
            socket: FrameSocket::new(socket).map_err(|error| Error::protocol(&error))?,
            shared,
            label: label.to_owned(),
            connections: Connections::default(),
            exchanges: Exchanges::default(),
            last_writer: 0,
            is_cleanup: false,
            has_ended: false,
        })
    }

    /// The instance's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What sessions share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Makes a call and serves the worker until it returns.
    pub fn call(
        &mut self,
        place: &Place,
        limit: Limit,
        call: Call,
        flow: Flow<'_>,
    ) -> Result<Value, Error> {
        if self.has_ended {
            let error =
                Error::new(ErrorKind::Ended, "the instance has ended with an earlier error");
            return Err(error.at(&self.shared.name, place));
        }
        let shared = Arc::clone(&self.shared);
        let watched = shared.watchdog.watch(Duration::from_millis(limit.milliseconds));
        let mut entries = Entries::new(flow, self.last_writer);
        self.is_cleanup = call.is_cleanup();
        let served = match self.socket.send(&ToWorker::Call(call), &[]) {
            // Only the message itself can be wrong here, and then nothing was sent.
            Err(error @ (ProtocolError::TooLong(_) | ProtocolError::Malformed(_))) => {
                return Err(Error::new(ErrorKind::Io, error.to_string()).at(&shared.name, place));
            }
            Err(error) => Err(error.into()),
            Ok(()) => self.serve(&mut entries),
        };
        self.last_writer = entries.last_writer();
        let ended = entries.end();
        let returned = match served {
            Ok(returned) => returned,
            Err(Break::Ignored) => {
                self.end();
                let failure = ended.err().unwrap_or(Failure::Cancelled);
                return Err(shared.if_cancelled(Error::failure(failure)).at(&shared.name, place));
            }
            Err(broken) => return Err(self.fail(place, limit, &watched, broken)),
        };
        let error = match (returned, ended) {
            (Ok(value), Ok(())) => return Ok(value),
            // A plugin that passes over a failed entry does not make the part whole.
            (Ok(_), Err(failure)) => Error::failure(failure),
            (Err(stop), _) => {
                self.has_ended = !matches!(stop, crate::protocol::Stop::Failure(_));
                Error::stop(stop, shared.limits.busy_ms)
            }
        };
        Err(shared.if_cancelled(error).at(&shared.name, place))
    }

    fn serve(
        &mut self,
        entries: &mut Entries<'_>,
    ) -> Result<Result<Value, crate::protocol::Stop>, Break> {
        let mut log = LogBudget { left: LOG_BYTES_MAX, dropped: 0 };
        let mut refusals = Refusals::default();
        loop {
            match self.socket.receive()?.ok_or(Break::Lost)? {
                FromWorker::Ready => return Err("an instance was ready twice".into()),
                FromWorker::Returned(result) => {
                    log.close(self);
                    refusals.close(self);
                    return Ok(result);
                }
                FromWorker::Log { level, message, fields } => {
                    log.write(self, level, message, fields)
                }
                FromWorker::Progress { part, bytes, items } => {
                    let part = shown(&part, LOG_TEXT_BYTES_MAX);
                    self.shared.observer.progress(&part, bytes, items);
                }
                FromWorker::Refused { is_denied, text } => refusals.write(self, is_denied, &text),
                FromWorker::RefusedMore(count) => refusals.more = count,
                FromWorker::Create { writer, entry } => entries.create(writer, entry)?,
                FromWorker::Data { writer, length } => {
                    if length > DATA_BYTES_MAX {
                        return Err("data is longer than allowed".into());
                    }
                    entries.data(writer, length, &mut self.socket.raw(u64::from(length)))?;
                }
                FromWorker::FileRange { writer, offset, length } => {
                    let descriptor = self.socket.take_descriptor()?;
                    entries.file_range(writer, descriptor, offset, length)?;
                }
                FromWorker::Finish { writer } => entries.finish(writer)?,
                FromWorker::Abandon { writer } => entries.abandon(writer)?,
                FromWorker::CloseReader { reader } => entries.close_reader(reader)?,
                FromWorker::CloseConnection { connection } => self.connections.close(connection)?,
                FromWorker::Used(granted) => self.shared.note_use(granted),
                FromWorker::CloseExchange { exchange } => self.exchanges.close(exchange)?,
                FromWorker::Question(question) => self.answer(question, entries)?,
            }
            if entries.is_ignored() {
                return Err(Break::Ignored);
            }
        }
    }

    fn answer(&mut self, question: Question, entries: &mut Entries<'_>) -> Result<(), Break> {
        let mut descriptor = None;
        let mut connected = |connected: Connected| {
            let (connection, encrypted, end) = connected;
            descriptor = Some(end);
            Answer::Connected { connection, encrypted }
        };
        let Self { socket, shared, label, connections, exchanges, .. } = self;
        let is_cleanup = self.is_cleanup;
        let uses = uses(&question, &shared.net);
        let answer = match question {
            Question::Connect { endpoint } => {
                shared.net.connect(connections, is_cleanup, &endpoint, None).map(&mut connected)
            }
            Question::ConnectMember { endpoint, host, port } => shared
                .net
                .connect(connections, is_cleanup, &endpoint, Some((&host, port)))
                .map(&mut connected),
            Question::StartTls { connection } => {
                shared.net.start_tls(connections, is_cleanup, connection).map(&mut connected)
            }
            Question::StartExchange(request) => exchanges.start(shared.around(is_cleanup), request),
            Question::WriteBody { exchange, data } => {
                exchanges.write(shared.around(is_cleanup), exchange, data)
            }
            Question::FinishRequest { exchange } => {
                exchanges.finish(shared.around(is_cleanup), exchange)
            }
            Question::ReadBody { exchange, max } => {
                exchanges.read(shared.around(is_cleanup), exchange, max)
            }
            Question::OpenCredential { name } => shared
                .credentials
                .principal(&name)
                .map(|principal| Answer::Credential { principal }),
            Question::Respond { credential, scheme, challenge, parameters } => {
                let challenge =
                    Challenge { scheme: &scheme, bytes: &challenge, parameters: &parameters };
                shared.credentials.respond(&credential, &challenge).map(Answer::Bytes)
            }
            Question::Reveal { credential } => {
                shared.credentials.reveal(&credential).map(Answer::Bytes)
            }
            Question::Reuse { entries: asked } => entries.reuse(asked),
            Question::Entries { prefix, after, limit } => {
                entries.list(&prefix, after.as_ref(), limit)
            }
            Question::OpenEntry { path } => entries.open(&path),
            Question::ReadEntry { reader, max } => entries.read(reader, max),
            Question::SeekEntry { reader, offset } => entries.seek(reader, offset),
            Question::Extract { extractions } => {
                let descriptors = take_descriptors(socket, extractions.len())?;
                entries.extract(extractions, descriptors)?
            }
            Question::Barrier => entries.barrier(),
        };
        if answer.is_ok() {
            tell_of_secrets(shared, label, &uses);
            uses.into_iter().for_each(|granted| shared.note_use(granted));
        }
        let ends: Vec<BorrowedFd<'_>> = descriptor.iter().map(AsFd::as_fd).collect();
        match socket.send(&ToWorker::Answer(answer), &ends) {
            Err(error @ (ProtocolError::TooLong(_) | ProtocolError::Malformed(_))) => {
                let failure = Failure::Other(format!("the host's answer does not fit: {error}"));
                Ok(socket.send(&ToWorker::Answer(Err(failure)), &[])?)
            }
            sent => Ok(sent?),
        }
    }

    /// Ends the instance from outside: the worker finds its lane closed.
    fn end(&mut self) {
        self.has_ended = true;
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        self.connections = Connections::default();
        self.exchanges = Exchanges::default();
    }

    /// Ends the lane and finds out why.
    fn fail(&mut self, place: &Place, limit: Limit, watched: &Watched<'_>, broken: Break) -> Error {
        self.has_ended = true;
        let error = match broken {
            Break::Lost | Break::Ignored => self.shared.loss(limit, watched.number()),
            Break::Violation(what) => self.shared.condemn(&what),
        };
        self.shared.if_cancelled(error).at(&self.shared.name, place)
    }
}

/// Each time that a plugin is shown a secret, it is told.
fn tell_of_secrets(shared: &Shared, instance: &str, uses: &[Granted]) {
    for granted in uses {
        if let Granted::Reveal(credential) = granted {
            shared.observer.secret_shown(instance, credential.as_str());
        }
    }
}

/// What a question uses of the grants, once it is answered.
fn uses(question: &Question, net: &Net) -> Vec<Granted> {
    let named = |name: &str, granted: &[fn(Name) -> Granted]| match name.parse::<Name>() {
        Ok(name) => granted.iter().map(|granted| granted(name.clone())).collect(),
        Err(_) => Vec::new(),
    };
    match question {
        Question::Connect { endpoint } => named(endpoint, &[Granted::Endpoint]),
        Question::ConnectMember { endpoint, .. } => {
            named(endpoint, &[Granted::Endpoint, Granted::Members])
        }
        Question::StartExchange(request) => {
            let mut used = named(&request.endpoint, &[Granted::Endpoint]);
            let endpoint = net.endpoint(&request.endpoint).ok();
            let credential = endpoint.and_then(|endpoint| endpoint.grant.credential.clone());
            used.extend(credential.map(Granted::Credential));
            used
        }
        Question::Respond { credential, scheme, .. } if reveals(scheme) => {
            named(credential, &[Granted::Credential, Granted::Reveal])
        }
        Question::Reveal { credential } => {
            named(credential, &[Granted::Credential, Granted::Reveal])
        }
        Question::Respond { credential, .. } => named(credential, &[Granted::Credential]),
        _ => Vec::new(),
    }
}

fn take_descriptors(socket: &mut FrameSocket, count: usize) -> Result<Vec<OwnedFd>, Break> {
    if count > DESCRIPTORS_MAX {
        return Err("more entries are extracted at once than allowed".into());
    }
    (0..count).map(|_| socket.take_descriptor().map_err(Break::from)).collect()
}

/// What one call may still write to the log.
struct LogBudget {
    left: usize,
    dropped: u64,
}

impl LogBudget {
    fn write(&mut self, lane: &Lane, level: Level, message: String, fields: Attributes) {
        let bytes = message.len()
            + fields.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let Some(left) = self.left.checked_sub(bytes.max(1)) else {
            self.dropped += 1;
            return;
        };
        self.left = left;
        let message = into_shown(message, LOG_TEXT_BYTES_MAX);
        let fields = fields.into_iter().take(LOG_FIELDS_MAX).map(|(key, value)| {
            (into_shown(key, LOG_TEXT_BYTES_MAX), into_shown(value, LOG_TEXT_BYTES_MAX))
        });
        lane.shared.observer.log(&lane.label, level, &message, &fields.collect());
    }

    fn close(&self, lane: &Lane) {
        if self.dropped > 0 {
            let message = format!("{} more messages were dropped", self.dropped);
            lane.shared.observer.log(&lane.label, Level::Warn, &message, &Attributes::new());
        }
    }
}

/// What was refused to the plugin during one call. Has a budget of its own, so that a plugin's own log cannot crowd it out.
#[derive(Default)]
struct Refusals {
    written: u64,
    more: u64,
}

impl Refusals {
    fn write(&mut self, lane: &Lane, is_denied: bool, text: &str) {
        self.written += 1;
        if self.written > REFUSALS_LOGGED_MAX {
            return;
        }
        let attempt = shown(text, LOG_TEXT_BYTES_MAX);
        lane.shared.observer.refused(&lane.label, is_denied, &attempt);
    }

    fn close(&self, lane: &Lane) {
        let more = self.more.max(self.written.saturating_sub(REFUSALS_LOGGED_MAX));
        if more > 0 {
            lane.shared.observer.refused_more(&lane.label, more);
        }
    }
}
