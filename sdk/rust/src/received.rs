use std::io;

use crate::Result;

/// The last piece of bytes that the host gave, and how much of it was read.
#[derive(Debug, Default)]
pub struct Received {
    bytes: Vec<u8>,
    consumed: usize,
}

impl Received {
    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.consumed == self.bytes.len()
    }

    /// What was not read yet; when that is nothing, the next piece, for which the host is asked. Empty at the end.
    pub fn fill(&mut self, ask: impl FnOnce() -> Result<Vec<u8>>) -> io::Result<&[u8]> {
        if self.is_empty() {
            self.bytes = ask()?;
            self.consumed = 0;
        }
        Ok(self.bytes.get(self.consumed..).unwrap_or_default())
    }

    /// So many bytes were read.
    pub fn consume(&mut self, amount: usize) {
        self.consumed = (self.consumed + amount).min(self.bytes.len());
    }
}
