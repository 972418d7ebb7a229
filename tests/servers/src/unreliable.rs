//! An S3 server of a few objects in memory that gives wrong answers when it is told to.
//!
//! It knows the calls that lockgate makes, after the Amazon S3 API reference: PUT with `If-None-Match`, GET with and without a
//! range, HEAD, DELETE, and ListObjectsV2. Signatures are not looked at.

mod answer;
mod request;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

pub use request::Call;
use request::Request;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The call is not made; an answer with this status, and this code of S3 unless it is empty.
    Refuse(u16, &'static str),
    /// The call is not made; status 200 with an error of this code as its body.
    ErrorInOk(&'static str),
    /// The call is made; the connection ends in the middle of the answer's body, or before its end.
    CutAnswer,
    /// The call is made; the answer's body is one byte short, and its length says so too.
    ShortAnswer,
    /// The call is made; the answer's body has one bit flipped.
    FlippedAnswer,
    /// The call is not made; the connection is closed.
    CloseBefore,
    /// The call is made; the connection is closed without an answer.
    CloseAfter,
    /// The call is not made, and nothing is said.
    Silence,
    /// The call is made, and nothing is said.
    SilenceAfter,
    /// The call is not made; what comes is no HTTP.
    Noise,
    /// The call is made as if the newest object were not there yet.
    Stale,
    /// A listing whose end is missing, and that says so without a way to go on.
    MissingPage,
}

impl Trouble {
    /// Every class of wrong answer. The codes are those of the S3 API reference, "Error responses".
    pub const ALL: [Self; 28] = [
        Self::Refuse(400, "RequestTimeout"),
        Self::Refuse(400, "ExpiredToken"),
        Self::Refuse(403, "RequestTimeTooSkewed"),
        Self::Refuse(403, "SignatureDoesNotMatch"),
        Self::Refuse(403, "AccessDenied"),
        Self::Refuse(404, "NoSuchKey"),
        Self::Refuse(404, "NoSuchBucket"),
        Self::Refuse(409, "ConditionalRequestConflict"),
        Self::Refuse(409, "OperationAborted"),
        Self::Refuse(412, "PreconditionFailed"),
        Self::Refuse(416, "InvalidRange"),
        Self::Refuse(429, "TooManyRequests"),
        Self::Refuse(500, "InternalError"),
        Self::Refuse(502, ""),
        Self::Refuse(503, "SlowDown"),
        Self::Refuse(504, ""),
        Self::Refuse(507, "InsufficientCapacity"),
        Self::ErrorInOk("InternalError"),
        Self::CutAnswer,
        Self::ShortAnswer,
        Self::FlippedAnswer,
        Self::CloseBefore,
        Self::CloseAfter,
        Self::Silence,
        Self::SilenceAfter,
        Self::Noise,
        Self::Stale,
        Self::MissingPage,
    ];
}

/// A trouble of one kind of call, or of all.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which calls; all when it is none.
    pub call: Option<Call>,
    /// What happens to them.
    pub trouble: Trouble,
    /// This many calls go well first.
    pub after: u32,
    /// How many calls it happens to.
    pub times: u32,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    newest: String,
    plan: Option<Plan>,
    /// Calls of the plan's kind since it was made.
    seen: u32,
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct UnreliableS3 {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

impl UnreliableS3 {
    /// Starts a server that is empty and works.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self> {
        Self::with(State::default())
    }

    /// Starts another one with the same objects, that works.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn copy(&self) -> Result<Self> {
        let state = lock(&self.state);
        Self::with(State {
            objects: state.objects.clone(),
            newest: state.newest.clone(),
            ..State::default()
        })
    }

    fn with(state: State) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (state, is_over) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (shared, over) = (Arc::clone(&state), Arc::clone(&is_over));
        std::thread::Builder::new().name("unreliable-s3".to_owned()).spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                // It ends with its connection.
                std::thread::spawn(move || serve(connection, &state));
            }
        })?;
        Ok(Self { address, state, is_over })
    }

    /// What lockgate is told to use it.
    #[must_use]
    pub fn location(&self) -> String {
        format!("s3:http://{}/bucket/place", self.address)
    }

    /// From now on this happens; nothing when it is none.
    pub fn plan(&self, plan: Option<Plan>) {
        let mut state = lock(&self.state);
        (state.plan, state.seen) = (plan, 0);
    }

    /// Calls of the planned kind since the plan was made.
    #[must_use]
    pub fn seen(&self) -> u32 {
        lock(&self.state).seen
    }

    /// The bytes of an object.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.state).objects.get(&format!("place/{name}")).cloned()
    }
}

impl Drop for UnreliableS3 {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        TcpStream::connect(self.address).ok();
    }
}

/// Answers the calls of one connection until it ends.
fn serve(connection: TcpStream, state: &Mutex<State>) {
    let Ok(reading) = connection.try_clone() else { return };
    let mut reading = std::io::BufReader::new(reading);
    while let Some(request) = Request::read(&mut reading) {
        let (answer, trouble) = lock(state).answer(&request);
        if !answer::send(&connection, &request, answer, trouble) {
            break;
        }
    }
    connection.shutdown(std::net::Shutdown::Both).ok();
}

impl State {
    fn answer(&mut self, request: &Request) -> (answer::Answer, Option<Trouble>) {
        let trouble = self.trouble(request.call);
        let answer = match trouble {
            Some(Trouble::Refuse(status, code)) => answer::error(status, code),
            Some(Trouble::ErrorInOk(code)) => {
                answer::Answer { status: 200, ..answer::error(500, code) }
            }
            Some(Trouble::CloseBefore | Trouble::Silence | Trouble::Noise) => {
                answer::error(500, "")
            }
            _ => self.apply(request, trouble),
        };
        (answer, trouble)
    }

    fn trouble(&mut self, call: Call) -> Option<Trouble> {
        let plan = self.plan.filter(|plan| plan.call.is_none_or(|planned| planned == call))?;
        self.seen += 1;
        let number = self.seen;
        (number > plan.after && number - plan.after <= plan.times).then_some(plan.trouble)
    }

    fn apply(&mut self, request: &Request, trouble: Option<Trouble>) -> answer::Answer {
        let hidden =
            if trouble == Some(Trouble::Stale) { self.newest.clone() } else { String::new() };
        let found = self.objects.get(&request.key).filter(|_| request.key != hidden);
        match request.call {
            Call::Put if request.is_new && found.is_some() => {
                answer::error(412, "PreconditionFailed")
            }
            Call::Put => {
                self.objects.insert(request.key.clone(), request.body.clone());
                self.newest.clone_from(&request.key);
                answer::Answer { status: 200, ..answer::Answer::default() }
            }
            Call::Delete => {
                self.objects.remove(&request.key);
                answer::Answer { status: 204, ..answer::Answer::default() }
            }
            Call::List => {
                answer::list(&self.objects, request, &hidden, trouble == Some(Trouble::MissingPage))
            }
            Call::Get | Call::GetRange | Call::Head => match found {
                None => answer::error(404, "NoSuchKey"),
                Some(bytes) => answer::part(bytes, request.range),
            },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
