use std::collections::VecDeque;

use lockgate_api::Event;
use lockgate_engine::{Error, ErrorKind, Result};
use reqwest::Response;

use super::http::unreachable;

/// Bytes of one event; a service has no reason to send more.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Server-sent events (WHATWG HTML, section 9.2) of one connection, of which only the data counts: an event has its number in it.
pub(super) struct Events {
    response: Response,
    frames: Frames,
    ready: VecDeque<String>,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self { response, frames: Frames::default(), ready: VecDeque::new() }
    }

    /// The next event; none when the service closed the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return serde_json::from_str(&data).map(Some).map_err(|error| {
                    Error::new(
                        ErrorKind::Unsupported,
                        format!("an event is not understood: {error}"),
                    )
                    .with_hint("use a lockgate of the same version as the service")
                });
            }
            let chunk = self.response.chunk().await;
            let chunk = chunk.map_err(|error| unreachable(self.response.url().as_str(), &error))?;
            let Some(chunk) = chunk else { return Ok(None) };
            self.ready.extend(self.frames.take(&chunk)?);
        }
    }
}

/// Puts bytes together to the data of events. Lines end with LF or CR LF.
#[derive(Default)]
struct Frames {
    line: Vec<u8>,
    data: String,
}

impl Frames {
    /// The data of the events that these bytes complete.
    fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>> {
        let mut complete = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                    return Err(Error::new(
                        ErrorKind::Failed,
                        "an event of the service has no end",
                    ));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
            if line.is_empty() {
                // An event without data is none.
                let data = std::mem::take(&mut self.data);
                complete.extend((!data.is_empty()).then_some(data));
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        let stream = "retry: 5\r\n\r\n: alive\n\nid: 1\nevent: note\ndata: {\"ä\":\ndata:1}\n\ndata: two\r\n\r\ndata: cut";
        for size in 1..stream.len() {
            let mut frames = Frames::default();
            let chunks = stream.as_bytes().chunks(size);
            let found: Vec<String> = chunks.flat_map(|chunk| frames.take(chunk).unwrap()).collect();
            assert_eq!(found, ["{\"ä\":\n1}", "two"], "{size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let mut frames = Frames::default();
        let mut taken = (0..=EVENT_BYTES_MAX / 1000).map(|_| frames.take(&[b'x'; 1000]));
        assert!(taken.any(|taken| taken.is_err()));
    }
}
