//! What host and worker say to each other.
//!
//! A worker process has one control socket (its standard input) and one lane per plugin instance. Both are Unix stream
//! sockets that carry frames: a little-endian `u32` length, then that many bytes of a message in postcard form
//! (<https://postcard.jamesmunns.com/wire-format>). Descriptors travel (`SCM_RIGHTS`, `unix(7)`) no later than the first byte of
//! the frame that needs them, in the order in which the message names them. A [`FromWorker::Data`] frame is followed by raw
//! bytes, which are never copied into a message.
//!
//! On a lane the host makes one call at a time. While it runs, the worker sends messages that need no answer ([`FromWorker`])
//! and questions ([`Question`]), each of which the host answers by one [`ToWorker::Answer`]; the call ends with
//! [`FromWorker::Returned`].

mod blob;
mod socket;

pub use socket::{FrameSocket, ProtocolError};

use lockgate_types::{
    Attributes, BackupPlan, BackupRequest, Descriptor, Entry, EntryPath, Failure, Finding, Outcome,
    Part, RestoreRequest, Step, Summary,
};
use serde::{Deserialize, Serialize};

use crate::jail::{Isolation, Report, Shape};
use crate::limits::Limits;

/// Host → worker on the control socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Control {
    /// Compile a component; with two descriptors: the component to read, the file to write the code into. Answered by
    /// [`ControlAnswer`]; the worker then ends.
    Compile(Isolation),
    /// Enter the jail of such a worker and say what it is like; with one descriptor for a folder where the shape has one.
    Probe(Shape),
    /// Load compiled code; with one descriptor for the code, then one per folder.
    Start(Start),
    /// Run one more instance; with one descriptor, the lane. The instance answers on the lane with
    /// [`FromWorker::Ready`] or [`FromWorker::Returned`].
    OpenLane,
    /// The operator stops the run: capabilities answer `cancelled` from now on.
    Cancel,
}

/// What a worker needs before its first instance.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// What to do when a layer of the jail is missing.
    pub isolation: Isolation,
    /// Folder grants, one per descriptor.
    pub folders: Vec<Folder>,
    /// What each instance may use.
    pub limits: Limits,
    /// Endpoints that the plugin may name.
    pub endpoints: Vec<Endpoint>,
    /// Names of the credentials that the plugin may open.
    pub credentials: Vec<String>,
    /// Whether the clock answers.
    pub clock: bool,
    /// Whether random bytes are given.
    pub random: bool,
    /// What `job.config` answers.
    pub config: String,
}

/// A folder that was opened by the host.
#[derive(Debug, Serialize, Deserialize)]
pub struct Folder {
    /// As the plugin names it.
    pub name: String,
    /// Whether it may be changed.
    pub writable: bool,
    /// Whether parts of its files may be locked.
    pub locks: bool,
}

/// An endpoint by name; its address stays with the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoint {
    /// As the plugin names it.
    pub name: String,
    /// Whether and when the host does TLS.
    pub encryption: lockgate_trust::Encryption,
}

/// Worker → host on the control socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum ControlAnswer {
    /// The code is loaded or written, in this jail.
    Done(Report),
    /// A layer of the jail that is required is missing; nothing was done.
    Refused(Report),
    /// With the reason in one line.
    Failed(String),
}

/// Host → worker on a lane.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Make a call into the instance.
    Call(Call),
    /// To the worker's last question.
    Answer(Result<Answer, Failure>),
}

/// One exported function with its arguments.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the function of that name in the contract")]
pub enum Call {
    Describe,
    Check,
    BackupBegin(BackupRequest),
    BackupJoin(Vec<u8>),
    BackupRelease,
    Export(Part),
    BackupEnd(Outcome),
    RestorePreview(RestoreRequest),
    RestoreBegin(RestoreRequest),
    RestoreJoin(RestoreRequest),
    Import(Part),
    RestoreEnd(Outcome),
    Fingerprint(Part),
    MaintenanceEnter,
    MaintenanceLeave,
    Act { action: String, arguments: String },
}

impl Call {
    /// Whether the plugin cleans up, which it may do although the run was cancelled.
    #[must_use]
    pub fn is_cleanup(&self) -> bool {
        matches!(
            self,
            Self::BackupRelease | Self::BackupEnd(_) | Self::RestoreEnd(_) | Self::MaintenanceLeave
        )
    }
}

/// What a call returned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the result of the call of that name")]
pub enum Value {
    Nothing,
    Descriptor(Descriptor),
    Findings(Vec<Finding>),
    Plan(BackupPlan),
    Summary(Summary),
    Steps(Vec<Step>),
    Stages(Vec<Vec<Part>>),
    Fingerprint(String),
}

/// Why a call did not return a value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Stop {
    /// The plugin returned a failure.
    Failure(Failure),
    /// The plugin trapped; with its panic message when it gave one, else the trap's.
    Trap(String),
    /// The plugin computed for longer than allowed without calling the host.
    Busy,
    /// The plugin asked for more memory than allowed; with the limit in bytes.
    Memory(u64),
    /// The component cannot be instantiated: wrong imports, wrong version of the contract.
    Unfit(String),
}

/// Worker → host on a lane.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The instance exists and waits for calls.
    Ready,
    /// The call ended; after anything but a value or a failure the lane is closed.
    Returned(Result<Value, Stop>),
    /// `job.log`.
    Log { level: Level, message: String, fields: Attributes },
    /// `job.progress`.
    Progress { part: String, bytes: u64, items: u64 },
    /// A function that the host offers was refused to the plugin, which may go on: for the log.
    Refused { is_denied: bool, text: String },
    /// This many more were refused than the log takes of one call.
    RefusedMore(u64),
    /// `archive.create`; the worker chose the number, unused before on this lane.
    Create { writer: u32, entry: Entry },
    /// `archive.writer.write`; followed by `length` raw bytes.
    Data { writer: u32, length: u32 },
    /// `archive.writer.write-file`, with one descriptor: a regular file open for reading.
    FileRange { writer: u32, offset: u64, length: Option<u64> },
    /// `archive.writer.finish`.
    Finish { writer: u32 },
    /// The writer was dropped unfinished.
    Abandon { writer: u32 },
    /// The reader was dropped.
    CloseReader { reader: u32 },
    /// The connection was dropped.
    CloseConnection { connection: u32 },
    /// The first use of a grant that only the worker can see.
    Used(lockgate_trust::Granted),
    /// The exchange was dropped.
    CloseExchange { exchange: u32 },
    /// Needs an answer.
    Question(Question),
}

/// `job.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the level of that name")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// A capability that only the host can exercise.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// `net.connect` → [`Answer::Connected`] with one descriptor.
    Connect { endpoint: String },
    /// `net.connect-member` → [`Answer::Connected`] with one descriptor.
    ConnectMember { endpoint: String, host: String, port: u16 },
    /// `net.connection.start-tls` → [`Answer::Connected`] with the descriptor that replaces the old one.
    StartTls { connection: u32 },
    /// `http.start` → [`Answer::Started`].
    StartExchange(HttpRequest),
    /// `http.exchange.write` → [`Answer::Done`].
    WriteBody {
        exchange: u32,
        #[serde(with = "blob")]
        data: Vec<u8>,
    },
    /// `http.exchange.finish` → [`Answer::Response`].
    FinishRequest { exchange: u32 },
    /// `http.exchange.read` → [`Answer::Bytes`].
    ReadBody { exchange: u32, max: u32 },
    /// `credentials.open` → [`Answer::Credential`].
    OpenCredential { name: String },
    /// `credentials.credential.respond` → [`Answer::Bytes`].
    Respond {
        credential: String,
        scheme: String,
        challenge: Vec<u8>,
        parameters: Vec<(String, Vec<u8>)>,
    },
    /// `credentials-reveal.reveal` → [`Answer::Bytes`].
    Reveal { credential: String },
    /// `archive.reuse` → [`Answer::Reused`], or [`Answer::NothingToReuse`] when there is no parent snapshot: for the rest of the
    /// call the worker then asks without naming entries, only to wait until everything it sent has been taken.
    Reuse { entries: Vec<Entry> },
    /// `archive.entries` → [`Answer::Entries`].
    Entries { prefix: EntryPath, after: Option<EntryPath>, limit: u32 },
    /// `archive.open` → [`Answer::Opened`].
    OpenEntry { path: EntryPath },
    /// `archive.reader.read` → [`Answer::Bytes`].
    ReadEntry { reader: u32, max: u32 },
    /// `archive.reader.seek` → [`Answer::Done`].
    SeekEntry { reader: u32, offset: u64 },
    /// `archive.extract`, with one descriptor each: a regular file open for writing → [`Answer::Count`].
    Extract { extractions: Vec<(EntryPath, u64)> },
    /// Everything sent so far has been taken without failure → [`Answer::Done`]. Sent before a call that wrote entries returns.
    Barrier,
}

/// `http.request`, as the plugin gave it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the contract says what the fields mean")]
pub struct HttpRequest {
    pub endpoint: String,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body_length: Option<u64>,
}

/// What the host answers to a [`Question`].
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the questions say what they mean")]
pub enum Answer {
    Done,
    Connected { connection: u32, encrypted: bool },
    Started { exchange: u32 },
    Response { status: u16, headers: Vec<(String, String)> },
    Credential { principal: String },
    Bytes(#[serde(with = "blob")] Vec<u8>),
    Reused(Vec<bool>),
    NothingToReuse,
    Entries(Vec<Entry>),
    Opened { reader: u32, entry: Box<Entry> },
    Count(u64),
}
