//! One direction of one connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::flow::{Direction, PIECE_BYTES_MAX};
use super::replace::Replacer;

/// How long a reply that may be the beginning of a text to replace is kept back.
const PATIENCE: Duration = Duration::from_millis(20);

pub(super) struct Pump {
    shared: Arc<Shared>,
    direction: Direction,
    from: TcpStream,
    to: TcpStream,
    replacer: Option<Replacer>,
}

impl Pump {
    pub(super) fn new(
        shared: Arc<Shared>,
        direction: Direction,
        from: TcpStream,
        to: TcpStream,
    ) -> Self {
        let changes = direction == Direction::ToClient && !shared.replies.is_empty();
        let replacer = changes.then(|| Replacer::new(shared.replies.clone()));
        Self { shared, direction, from, to, replacer }
    }

    pub(super) fn run(mut self) {
        // An end of the stream is passed on alone; the other direction may still have something to say.
        let how = match self.pass_on() {
            Ok(()) => Shutdown::Write,
            Err(_) => Shutdown::Both,
        };
        let _ = self.to.shutdown(how);
        if how == Shutdown::Both {
            let _ = self.from.shutdown(how);
        }
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn pass_on(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        loop {
            let waits = self.replacer.as_ref().is_some_and(Replacer::keeps_something);
            self.from.set_read_timeout(waits.then_some(PATIENCE))?;
            let length = match self.from.read(&mut buffer) {
                Ok(0) => {
                    let rest = self.replacer.as_mut().map(Replacer::flush).unwrap_or_default();
                    return self.write(&rest);
                }
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    let rest = self.replacer.as_mut().map(Replacer::flush).unwrap_or_default();
                    self.write(&rest)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let read = buffer.get(..length).unwrap_or_default();
            match &mut self.replacer {
                None => self.write(read)?,
                Some(replacer) => {
                    let (changed, replaced) = replacer.feed(read);
                    self.shared.flow.count_replaced(replaced);
                    self.write(&changed)?;
                }
            }
        }
    }

    fn write(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let Some(count) = self.shared.flow.pass(self.direction, bytes.len()) else {
                return Err(ErrorKind::ConnectionAborted.into());
            };
            let (now, later) = bytes.split_at(count);
            (&self.to).write_all(now)?;
            bytes = later;
        }
        Ok(())
    }
}
