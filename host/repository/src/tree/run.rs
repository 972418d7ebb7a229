//! Sorted runs in files without a name, and their merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use super::record::{Buffer, HEAD_LENGTH, Record};
use crate::error::{Error, Result};

/// Fast; the text of nodes shrinks about tenfold even so.
const LEVEL: i32 = 1;
/// Log2 of the bytes that are looked back at, which whoever reads the run keeps. Nodes are like those just before them.
const WINDOW_LOG: u32 = 17;

/// Records in order, on disk. The file has no name and is gone with this value.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
}

fn failed(source: io::Error) -> Error {
    Error::io("temporary file for the folders of the snapshot", source)
}

impl Run {
    pub(super) fn write<'a>(
        folder: Option<&Path>,
        records: impl Iterator<Item = Record<'a>>,
    ) -> Result<Self> {
        let mut writer = RunWriter::create(folder)?;
        for record in records {
            writer.push(record)?;
        }
        writer.finish()
    }

    pub(super) fn write_merged(folder: Option<&Path>, merge: &mut Merge) -> Result<Self> {
        let mut writer = RunWriter::create(folder)?;
        while let Some(record) = merge.next()? {
            writer.push(record)?;
        }
        writer.finish()
    }
}

struct RunWriter {
    encoder: zstd::stream::write::Encoder<'static, File>,
}

impl RunWriter {
    fn create(folder: Option<&Path>) -> Result<Self> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let file = file.map_err(failed)?;
        let mut encoder = zstd::stream::write::Encoder::new(file, LEVEL).map_err(failed)?;
        encoder.window_log(WINDOW_LOG).map_err(failed)?;
        Ok(Self { encoder })
    }

    fn push(&mut self, record: Record<'_>) -> Result<()> {
        let head = record.head()?;
        self.encoder.write_all(&head).map_err(failed)?;
        self.encoder.write_all(record.key).map_err(failed)?;
        self.encoder.write_all(record.json).map_err(failed)
    }

    fn finish(self) -> Result<Run> {
        let mut file = self.encoder.finish().map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(Run { file })
    }
}

/// Where a merge takes records from.
pub(super) enum Source {
    Run(Box<RunReader>),
    Buffer { buffer: Buffer, next: usize },
}

pub(super) struct RunReader {
    decoder: zstd::stream::read::Decoder<'static, BufReader<File>>,
    /// Key and node of the present record.
    bytes: Vec<u8>,
    key_length: usize,
    split: Option<u32>,
}

impl Source {
    pub(super) fn of_run(run: Run) -> Result<Self> {
        let decoder = zstd::stream::read::Decoder::new(run.file).map_err(failed)?;
        let reader = RunReader { decoder, bytes: Vec::new(), key_length: 0, split: None };
        Ok(Self::Run(Box::new(reader)))
    }

    pub(super) fn of_buffer(buffer: Buffer) -> Self {
        Self::Buffer { buffer, next: 0 }
    }

    /// Steps to the next record and puts its key into `key`; false at the end.
    fn advance(&mut self, key: &mut Vec<u8>) -> Result<bool> {
        match self {
            Self::Run(reader) => {
                if !reader.advance()? {
                    return Ok(false);
                }
            }
            Self::Buffer { next, .. } => *next += 1,
        }
        let Some(record) = self.record() else { return Ok(false) };
        key.clear();
        key.extend_from_slice(record.key);
        Ok(true)
    }

    fn record(&self) -> Option<Record<'_>> {
        match self {
            Self::Run(reader) => {
                let (key, json) = reader.bytes.split_at_checked(reader.key_length)?;
                Some(Record { key, json, split: reader.split })
            }
            Self::Buffer { buffer, next } => buffer.record(next.checked_sub(1)?),
        }
    }
}

impl RunReader {
    fn advance(&mut self) -> Result<bool> {
        let mut head = [0; HEAD_LENGTH];
        let first = self.decoder.read(&mut head).map_err(failed)?;
        if first == 0 {
            return Ok(false);
        }
        self.decoder.read_exact(&mut head[first..]).map_err(failed)?;
        let (key_length, json_length, split) = Record::parse_head(&head);
        self.bytes.resize(key_length + json_length, 0);
        self.decoder.read_exact(&mut self.bytes).map_err(failed)?;
        (self.key_length, self.split) = (key_length, split);
        Ok(true)
    }
}

/// All records of several sources in order.
pub(super) struct Merge {
    sources: Vec<Source>,
    /// Key and number of each source that has a present record.
    heap: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    /// Whether the record of the first source in the heap was handed out.
    is_taken: bool,
}

impl Merge {
    pub(super) fn new(sources: impl Iterator<Item = Result<Source>>) -> Result<Self> {
        let mut merge = Self { sources: Vec::new(), heap: BinaryHeap::new(), is_taken: false };
        for (number, source) in sources.enumerate() {
            let mut source = source?;
            let mut key = Vec::new();
            if source.advance(&mut key)? {
                merge.heap.push(Reverse((key, number)));
            }
            merge.sources.push(source);
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>> {
        if std::mem::replace(&mut self.is_taken, true)
            && let Some(mut first) = self.heap.peek_mut()
        {
            // It mostly stays the first: then the heap compares it with two others.
            let Reverse((key, number)) = &mut *first;
            if !self.sources[*number].advance(key)? {
                PeekMut::pop(first);
            }
        }
        let Some(Reverse((_, number))) = self.heap.peek() else { return Ok(None) };
        Ok(self.sources[*number].record())
    }
}
