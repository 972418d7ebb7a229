//! One request and its response.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::TrySendError;
use hyper::{HeaderMap, Request, Response, StatusCode};
use lockgate_types::Failure;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Around;
use super::body::{Piece, RequestBody};
use super::fault::{failure_of, silent};
use super::pool::Connection;
use super::redirect;
use super::request::Head;
use crate::limits::{BODY_PIECE_BYTES_MAX, REDIRECTS_MAX, TRANSFER_BYTES_MAX};
use crate::session::dial::Endpoint;

/// Status and headers.
type ResponseHead = (u16, Vec<(String, String)>);
type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// A request that was started.
pub struct Exchange {
    endpoint: Endpoint,
    head: Head,
    /// None once the body has ended. Kept while the server answers before it took all: an end would be a lie, and going away
    /// would end the response too.
    body: Option<mpsc::Sender<Piece>>,
    /// Whether the server answered before it took the whole body.
    is_refused: bool,
    /// Bytes that are still to come, where the request says.
    left: Option<u64>,
    phase: Phase,
}

enum Phase {
    /// On its way; the response comes from the future.
    Asked { connection: Connection, response: Pin<Box<dyn Future<Output = Sent> + Send>> },
    /// The server has answered, perhaps before it took the whole body.
    Answered { connection: Connection, response: Response<Incoming> },
    /// The plugin reads the body.
    Reading { connection: Connection, body: Incoming, rest: Bytes },
    /// To its end.
    Over,
    /// Whoever goes on hears of it again.
    Failed(Failure),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("head", &self.head).finish_non_exhaustive()
    }
}

/// The methods' errors: what the plugin is told.
impl Exchange {
    /// Connects and sends the head.
    pub async fn start(
        around: Around<'_>,
        endpoint: &Endpoint,
        head: Head,
        length: Option<u64>,
    ) -> Result<Self, Failure> {
        let (sender, body) = match length {
            Some(0) => (None, RequestBody::none()),
            _ => {
                let (sender, body) = RequestBody::queue(length);
                (Some(sender), body)
            }
        };
        let connection = around.http.pool.connection(around.net, endpoint).await?;
        let request = head.request(body);
        let phase = ask(connection, request);
        Ok(Self {
            endpoint: endpoint.clone(),
            head,
            body: sender,
            is_refused: false,
            left: length,
            phase,
        })
    }

    /// Hands a piece of the body on once there is room for it. What a server does not want any more is dropped: its response
    /// tells why.
    pub async fn write(&mut self, around: Around<'_>, data: Bytes) -> Result<(), Failure> {
        let length = data.len() as u64;
        if data.len() > BODY_PIECE_BYTES_MAX {
            let text = format!("http: one write has more than {BODY_PIECE_BYTES_MAX} bytes");
            return Err(Failure::Other(text));
        }
        match &mut self.left {
            Some(left) if *left < length => {
                let text = "http: the body is longer than the request said";
                return Err(Failure::Other(text.to_owned()));
            }
            Some(left) => *left -= length,
            None => {}
        }
        if length > 0 { self.push(around, Piece::Data(data)).await } else { Ok(()) }
    }

    /// Ends the request and waits for the head of the response.
    pub async fn finish(&mut self, around: Around<'_>) -> Result<ResponseHead, Failure> {
        match &self.phase {
            Phase::Asked { .. } if self.left.is_some_and(|left| left > 0) => {
                let text = "http: the body is shorter than the request said";
                return Err(self.fail(Failure::Other(text.to_owned())));
            }
            // The length has said where the end is.
            Phase::Asked { .. } if self.left == Some(0) => self.body = None,
            Phase::Asked { .. } | Phase::Answered { .. } => self.push(around, Piece::End).await?,
            Phase::Failed(failure) => return Err(failure.clone()),
            Phase::Reading { .. } | Phase::Over => {
                return Err(Failure::Other("http: the request was finished already".to_owned()));
            }
        }
        let mut redirects = 0;
        loop {
            self.answered(around).await?;
            let Phase::Answered { connection, response } = self.take() else {
                return Err(Failure::Other("http: there is no response".to_owned()));
            };
            if let Some(target) = redirect::target_of(&self.endpoint, &self.head, &response) {
                redirects += 1;
                if redirects > REDIRECTS_MAX {
                    let name = &self.endpoint.name;
                    let text = format!("endpoint {name}: more than {REDIRECTS_MAX} redirects");
                    return Err(self.fail(Failure::Other(text)));
                }
                self.head.target = target;
                let request = self.head.request(RequestBody::none());
                // The old connection ends here: nobody reads what came with the redirect.
                let connection = around.http.pool.connection(around.net, &self.endpoint).await?;
                self.phase = ask(connection, request);
                continue;
            }
            return self.received(around, connection, response);
        }
    }

    fn received(
        &mut self,
        around: Around<'_>,
        connection: Connection,
        response: Response<Incoming>,
    ) -> Result<ResponseHead, Failure> {
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let text = format!("endpoint {}: the server changes the protocol", self.endpoint.name);
            return Err(self.fail(Failure::Unsupported(text)));
        }
        if body.is_end_stream() {
            self.phase = Phase::Over;
            self.keep(around, connection);
        } else {
            self.phase = Phase::Reading { connection, body, rest: Bytes::new() };
        }
        Ok((parts.status.as_u16(), texts(&parts.headers)))
    }

    /// The next bytes of the response's body; none at its end.
    pub async fn read(&mut self, around: Around<'_>, max: u32) -> Result<Bytes, Failure> {
        let max = max.min(TRANSFER_BYTES_MAX) as usize;
        let Phase::Reading { body, rest, .. } = &mut self.phase else {
            return match &self.phase {
                Phase::Over => Ok(Bytes::new()),
                Phase::Failed(failure) => Err(failure.clone()),
                _ => Err(Failure::Other("http: the request is not finished".to_owned())),
            };
        };
        while rest.is_empty() && max > 0 {
            let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            match wait(&self.endpoint, around.silence, frame).await? {
                // What comes behind a body in chunks is no data.
                Some(Ok(frame)) => *rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    return Err(self.fail(failure_of(&self.endpoint, &error)));
                }
                None => {
                    if let Phase::Reading { connection, .. } = self.take() {
                        self.keep(around, connection);
                    }
                    self.phase = Phase::Over;
                    return Ok(Bytes::new());
                }
            }
        }
        let length = rest.len().min(max);
        Ok(rest.split_to(length))
    }

    /// Queues a piece while looking whether the server has answered.
    async fn push(&mut self, around: Around<'_>, piece: Piece) -> Result<(), Failure> {
        if let Phase::Failed(failure) = &self.phase {
            return Err(failure.clone());
        }
        if self.is_refused {
            return Ok(());
        }
        let Some(body) = self.body.clone() else {
            return match piece {
                Piece::End => Ok(()),
                Piece::Data(_) => Err(Failure::Other("http: the body has ended".to_owned())),
            };
        };
        let is_end = matches!(piece, Piece::End);
        let endpoint = self.endpoint.clone();
        let room = async {
            tokio::select! {
                biased;
                permit = body.reserve() => permit.map_err(|_| None),
                answered = self.answered(around) => Err(Some(answered)),
            }
        };
        match wait(&endpoint, around.silence, room).await? {
            Ok(permit) => permit.send(piece),
            Err(answered) => {
                self.is_refused = true;
                return match answered {
                    Some(answered) => answered,
                    // Nobody takes the body any more; the reason is about to come.
                    None => self.answered(around).await,
                };
            }
        }
        if is_end {
            self.body = None;
        }
        Ok(())
    }

    /// Waits until the server has answered. A connection that turned out to be closed costs nothing but another one.
    async fn answered(&mut self, around: Around<'_>) -> Result<(), Failure> {
        loop {
            let Phase::Asked { response, .. } = &mut self.phase else { return Ok(()) };
            let sent = wait(&self.endpoint, around.silence, response).await?;
            let Phase::Asked { connection, .. } = self.take() else { return Ok(()) };
            let error = match sent {
                Ok(response) => {
                    self.phase = Phase::Answered { connection, response };
                    return Ok(());
                }
                Err(error) => error,
            };
            let is_used = connection.is_used;
            let request = match again(&self.head, is_used, self.left, error) {
                Ok(request) => request,
                Err(error) => {
                    let failure = connection.failure(&self.endpoint, &error).await;
                    return Err(self.fail(failure));
                }
            };
            match around.http.pool.connect(around.net, &self.endpoint).await {
                Ok(connection) => self.phase = ask(connection, request),
                Err(failure) => return Err(self.fail(failure)),
            }
        }
    }

    /// The connection may serve the next request, unless it still waits for a body.
    fn keep(&self, around: Around<'_>, connection: Connection) {
        if !self.is_refused {
            around.http.pool.give_back(&self.endpoint.name, connection);
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.phase = Phase::Failed(failure.clone());
        failure
    }

    /// Whatever interrupts what comes next leaves a failure behind, and never an end.
    fn take(&mut self) -> Phase {
        let failure = Failure::Other("http: the request was interrupted".to_owned());
        std::mem::replace(&mut self.phase, Phase::Failed(failure))
    }
}

fn ask(mut connection: Connection, request: Request<RequestBody>) -> Phase {
    let response = Box::pin(connection.sender.try_send_request(request));
    Phase::Asked { connection, response }
}

/// What to send once more after a connection failed: what never left, and what may be repeated when the server had closed a
/// connection that was kept.
fn again(
    head: &Head,
    is_used: bool,
    left: Option<u64>,
    mut error: TrySendError<Request<RequestBody>>,
) -> Result<Request<RequestBody>, hyper::Error> {
    match error.take_message() {
        Some(request) if is_used => Ok(request),
        None if is_used
            && head.is_repeatable()
            && left == Some(0)
            && (error.error().is_incomplete_message() || is_reset(error.error())) =>
        {
            Ok(head.request(RequestBody::none()))
        }
        _ => Err(error.into_error()),
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let cause = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| {
        matches!(cause.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
    })
}

async fn wait<T>(
    endpoint: &Endpoint,
    silence: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout(silence, work).await.map_err(|_| silent(endpoint, silence))
}

/// Bytes outside ASCII as ISO 8859-1, which every byte has a character in.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}
