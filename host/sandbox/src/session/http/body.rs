//! The body of a request on its way from the plugin to the network: a bounded queue, and an end that must be said.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::limits::BODY_PIECES_MAX;

/// What goes through the queue.
#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    End,
}

/// The plugin went away in the middle: the server must not take what came for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the request was given up")]
pub struct GivenUp;

/// The network's end of the queue.
#[derive(Debug)]
pub struct RequestBody {
    /// None: there is no body, or its end was reached.
    pieces: Option<mpsc::Receiver<Piece>>,
    /// Bytes that are still to come, where the request says.
    left: Option<u64>,
}

impl RequestBody {
    /// Of a request without a body.
    pub fn none() -> Self {
        Self { pieces: None, left: Some(0) }
    }

    /// A queue with both ends.
    pub fn queue(length: Option<u64>) -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(BODY_PIECES_MAX);
        (sender, Self { pieces: Some(pieces), left: length })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let frame = match std::task::ready!(pieces.poll_recv(context)) {
            Some(Piece::Data(data)) => {
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                if self.left == Some(0) {
                    self.pieces = None;
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Piece::End) => None,
            None => Some(Err(GivenUp)),
        };
        self.pieces = None;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
