//! What a stand-in was told, in order, so that it is what it was after it was killed and started again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A file of JSON values, one in a line.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens the journal of `folder`, made when it is not there, and gives every value that it has. A last line that was cut
    /// off by the kill was never answered, so that it is dropped.
    ///
    /// # Errors
    /// When it cannot be read, or a line in its middle is no JSON.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Value>)> {
        let path = folder.join("journal.jsonl");
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let mut values = Vec::new();
        let mut whole = 0_u64;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.last() != Some(&b'\n') {
                break;
            }
            let number = values.len() + 1;
            values.push(serde_json::from_slice(&line).with_context(|| format!("line {number}"))?);
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole)?;
        file.flush()?;
        Ok((Self { file }, values))
    }

    /// Keeps `value`. What the kernel has survives the death of the process, which is all that the tests do to it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, value: &Value) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line).context("write the journal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, values) = Journal::open(folder.path()).unwrap();
        assert!(values.is_empty());
        journal.append(&json!({"a": 1})).unwrap();
        journal.file.write_all(b"{\"b\":").unwrap();
        let (mut journal, values) = Journal::open(folder.path()).unwrap();
        assert_eq!(values, [json!({"a": 1})]);
        journal.append(&json!({"c": 3})).unwrap();
        let (_, values) = Journal::open(folder.path()).unwrap();
        assert_eq!(values, [json!({"a": 1}), json!({"c": 3})]);
    }
}
